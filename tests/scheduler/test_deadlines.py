"""Deadlines: counted from when a thing was first seen, and forgotten with it."""

from debusine.scheduler.deadlines import Deadlines


def test_a_thing_is_overdue_once_its_seconds_are_over() -> None:
    now = [0.0]
    deadlines = Deadlines[str](lambda: now[0])

    assert deadlines.overdue({"a": 10}) == []
    now[0] = 9.9
    assert deadlines.overdue({"a": 10, "b": 1}) == []
    now[0] = 11
    assert deadlines.overdue({"a": 10, "b": 1}) == ["a", "b"]


def test_a_thing_that_vanished_and_came_again_is_new() -> None:
    now = [0.0]
    deadlines = Deadlines[str](lambda: now[0])
    deadlines.overdue({"a": 10})
    deadlines.overdue({})
    now[0] = 10

    assert deadlines.overdue({"a": 10}) == []


def test_what_was_noted_earlier_counts_from_then() -> None:
    now = [0.0]
    deadlines = Deadlines[str](lambda: now[0])
    deadlines.note("a", 10)
    now[0] = 10

    assert deadlines.overdue({"a": 10}) == ["a"]
