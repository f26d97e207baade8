"""How long the event loop let everybody wait, as a clock and timers of the test's own tell."""

from collections.abc import Callable

import pytest
from attrs import define, field

from debusine.server.stalls import BOUNDS, INTERVAL, Stalls


@define
class Loop:
    """A loop whose time stands still until somebody moves it."""

    now: float = 100.0
    timers: list[tuple[float, Callable[[], None]]] = field(factory=list)

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, callback))

    def be_busy(self, seconds: float) -> None:
        """Do nothing else for a while; then see to the timers that were due."""
        self.now += seconds
        for timer in [each for each in self.timers if each[0] <= self.now]:
            self.timers.remove(timer)
            timer[1]()


def watched() -> tuple[Loop, Stalls]:
    loop = Loop()
    return loop, Stalls(loop.later, lambda: loop.now)


def counted(stalls: Stalls) -> list[int]:
    return stalls.delays.counts


def test_a_loop_that_is_in_time_has_no_stall() -> None:
    loop, stalls = watched()
    for _ in range(10):
        loop.be_busy(INTERVAL)

    assert stalls.take_longest() == pytest.approx(0.0)
    assert counted(stalls) == [10] + [0] * len(BOUNDS)


def test_a_stall_is_as_long_as_the_timer_was_late() -> None:
    loop, stalls = watched()
    loop.be_busy(INTERVAL + 0.07)
    loop.be_busy(INTERVAL + 0.03)

    assert stalls.take_longest() == pytest.approx(0.07)
    assert counted(stalls)[BOUNDS.index(0.1)] == 1
    assert counted(stalls)[BOUNDS.index(0.05)] == 1
    assert stalls.delays.total == pytest.approx(0.1)


def test_what_was_told_is_not_told_again() -> None:
    loop, stalls = watched()
    loop.be_busy(INTERVAL + 0.07)
    stalls.take_longest()
    loop.be_busy(INTERVAL + 0.002)

    assert stalls.take_longest() == pytest.approx(0.002)


def test_a_stall_that_goes_on_is_told_as_far_as_it_has_come_and_the_rest_later() -> None:
    loop, stalls = watched()
    loop.now += INTERVAL + 0.2  # the handler that asks runs before the timer does
    assert stalls.take_longest() == pytest.approx(0.2)

    loop.be_busy(0.05)

    assert stalls.take_longest() == pytest.approx(0.05)
    assert counted(stalls)[BOUNDS.index(0.25)] == 1  # the histogram has it whole


def test_a_stall_longer_than_any_bound_is_counted_too() -> None:
    loop, stalls = watched()
    loop.be_busy(INTERVAL + 60)

    assert counted(stalls) == [0] * len(BOUNDS) + [1]


def test_one_timer_waits_at_a_time() -> None:
    loop, stalls = watched()
    for _ in range(5):
        loop.be_busy(INTERVAL * 3)
        stalls.take_longest()

    assert len(loop.timers) == 1
