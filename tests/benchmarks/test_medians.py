"""The middle of several runs, and how far they lie apart."""

import pytest

from benchmarks.medians import median, paired, spread


def test_the_median_of_an_even_number_of_runs_lies_between_the_two_in_the_middle() -> None:
    assert median([1.0, 10.0, 2.0, 100.0]) == 6.0


def test_one_run_has_no_spread() -> None:
    assert spread([5.0]) == 0.0


def test_the_spread_is_half_of_the_distance_between_the_lowest_and_the_highest() -> None:
    assert spread([10.0, 14.0, 11.0]) == 2.0


def test_of_many_runs_the_two_outermost_do_not_count() -> None:
    assert spread([10.0, 11.0, 12.0, 12.0, 900.0, 0.0]) == 1.0


def test_what_the_machine_does_to_a_figure_and_its_baseline_falls_out() -> None:
    slow_and_fast = paired([50.0, 100.0], [100.0, 200.0])

    assert slow_and_fast == [0.5, 0.5]


def test_runs_without_a_baseline_are_no_pairs() -> None:
    assert paired([50.0, 100.0, 3.0], [100.0, 0.0]) == pytest.approx([0.5])
