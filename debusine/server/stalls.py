"""Stalls: how long the event loop let everybody wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from debusine.server.traffic import Durations

#: Seconds between two looks at the clock: as much may be missing of a stall, and a look costs some microseconds.
INTERVAL = 0.01

#: Seconds; a loop that waits for nobody is late by less than the first, and no stall shall be longer than 0.05.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: Calls something so many seconds later, as a loop's ``call_later`` does.
Later = Callable[[float, Callable[[], None]], object]


class Stalls:
    """Measures by how much a timer of the loop is late."""

    def __init__(self, later: Later, clock: Callable[[], float] = time.monotonic) -> None:
        #: How late each look was.
        self.delays = Durations(BOUNDS)
        self._later, self._clock = later, clock
        self._longest = 0.0
        self._due = self._told = clock()
        self._look_again()

    def take_longest(self) -> float:
        """The longest stall since this was last asked, in seconds; one that goes on is told as far as it has come."""
        self._note()
        longest, self._longest = self._longest, 0.0
        self._told = self._clock()  # what was told is not told again
        return longest

    def _look_again(self) -> None:
        self._due = self._clock() + INTERVAL
        self._later(INTERVAL, self._look)

    def _look(self) -> None:
        self.delays.add(max(0.0, self._clock() - self._due))
        self._note()
        self._look_again()

    def _note(self) -> None:
        self._longest = max(self._longest, self._clock() - max(self._due, self._told))


async def watching_stalls(app: web.Application) -> AsyncIterator[None]:
    """Have an application measure how long its loop stalls (a ``cleanup_ctx``)."""
    timers: list[asyncio.TimerHandle] = []

    def later(seconds: float, look: Callable[[], None]) -> None:
        timers[:] = [loop.call_later(seconds, look)]

    loop = asyncio.get_running_loop()
    app[STALLS] = Stalls(later)
    yield
    timers[0].cancel()


STALLS = web.AppKey("stalls", Stalls)
