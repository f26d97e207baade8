"""What changed between two sets of runs, and what is only noise."""

import pytest

from benchmarks.judgement import LEAST, UNKNOWN_NOISE, Change, Verdict, changes
from benchmarks.results import Key, Results


def results(**values: list[float]) -> Results:
    return Results(values={Key(name.replace("_", "-"), "SQLite"): found for name, found in values.items()})


def only(before: Results, now: Results) -> Change:
    (change,) = changes(before, now)
    return change


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([100.0, 102.0, 104.0], [130.0, 133.0, 131.0], Verdict.BETTER),
        ([100.0, 102.0, 104.0], [80.0, 81.0, 79.0], Verdict.WORSE),
        ([100.0, 102.0, 104.0], [105.0, 103.0, 106.0], Verdict.SAME),
        ([90.0, 102.0, 120.0], [130.0, 118.0, 112.0], Verdict.SAME),  # the runs overlap
        ([100.0, 100.0, 100.0], [104.0, 104.0, 104.0], Verdict.SAME),  # agreed, and less than anybody notices
        ([100.0], [120.0, 121.0], Verdict.SAME),  # nobody knows the noise of one run
        ([100.0], [130.0], Verdict.BETTER),
    ],
)
def test_a_change_is_more_than_the_runs_differ_among_themselves(
    before: list[float], now: list[float], verdict: Verdict
) -> None:
    assert only(results(small=before), results(small=now)).verdict is verdict


def test_less_is_better_where_it_is_not_a_rate() -> None:
    assert only(results(told=[10.0, 10.1]), results(told=[5.0, 5.1])).verdict is Verdict.BETTER
    assert only(results(told=[5.0, 5.1]), results(told=[10.0, 10.1])).verdict is Verdict.WORSE


def test_a_figure_with_a_baseline_is_judged_by_its_relation_to_it() -> None:
    before = results(small=[400.0, 420.0], bare_small=[1000.0, 1050.0])
    on_a_machine_twice_as_slow = results(small=[200.0, 210.0], bare_small=[500.0, 525.0])

    change = only(before, on_a_machine_twice_as_slow)

    assert (change.verdict, change.paired) == (Verdict.SAME, True)
    assert change.difference == pytest.approx(0.0)
    assert (change.before, change.now) == (410.0, 205.0)


def test_without_its_baseline_on_one_side_a_figure_is_judged_by_itself() -> None:
    change = only(results(small=[400.0, 400.0], bare_small=[1000.0, 1000.0]), results(small=[200.0, 200.0]))

    assert (change.verdict, change.paired) == (Verdict.WORSE, False)


def test_baselines_are_no_changes_of_ours() -> None:
    before, now = (results(bare_small=[1.0, 1.0], sha256=[1.0, 1.0]), results(bare_small=[9.0, 9.0], sha256=[9.0, 9.0]))

    assert list(changes(before, now)) == []


def test_what_only_one_side_has_is_no_change() -> None:
    assert list(changes(results(told=[1.0]), results(start=[1.0]))) == []


def test_the_same_figure_on_another_database_is_another_figure() -> None:
    before = Results(values={Key("told", "SQLite"): [1.0, 1.0]})
    now = Results(values={Key("told", "PostgreSQL"): [9.0, 9.0]})

    assert list(changes(before, now)) == []


def test_the_noise_is_told() -> None:
    assert only(results(told=[10.0]), results(told=[10.0])).noise == UNKNOWN_NOISE
    assert only(results(told=[10.0, 10.0]), results(told=[10.0, 10.0])).noise == LEAST
    assert only(results(told=[9.0, 11.0]), results(told=[8.0, 12.0])).noise == pytest.approx(0.3)


def test_a_figure_that_was_zero_is_no_division_by_it() -> None:
    assert only(results(memory_growth=[0.0, 0.0]), results(memory_growth=[2.0, 2.0])).difference == 0.0
