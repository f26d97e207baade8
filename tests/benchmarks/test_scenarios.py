"""What can be named on the command line, and the sums that scenarios do."""

import pytest

from benchmarks.crowd import DELAYS, IN_TIME, late_looks
from benchmarks.memory import growth
from benchmarks.scenarios import names


def test_every_scenario_runs_on_both_databases_unless_it_needs_none() -> None:
    assert {"start", "create", "flat", "create-postgresql", "flat-postgresql", "memory"} <= set(names())
    assert {"memory-postgresql", "disk-postgresql", "s3-postgresql"}.isdisjoint(names())
    assert len(names()) == len(set(names()))


def test_memory_grows_from_the_first_rounds_to_the_last_ones() -> None:
    warming_up = [80.0, 95.0]

    assert growth([*warming_up, 100.0, 101.0, 100.0, 100.0, 100.0, 107.0, 106.0, 108.0]) == 7.0
    assert growth([*warming_up, 100.0, 101.0, 100.0, 100.0, 100.0, 99.0, 98.0, 99.0]) == 0.0


def test_late_looks_are_a_part_of_those_that_were_made_meanwhile() -> None:
    before = {DELAYS.format("count"): 1000.0, IN_TIME: 990.0}
    after = {DELAYS.format("count"): 1200.0, IN_TIME: 1180.0}

    assert late_looks(before, after) == pytest.approx(0.05)
