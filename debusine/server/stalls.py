"""Stalls: how long the event loop let everybody wait."""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web

from debusine.server.keys import BACKGROUND

#: Seconds between two looks at the clock; a stall is seen if it is longer than what is left of this.
INTERVAL = 0.05


class Stalls:
    """Measures by how much a short sleep is too long."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._due = time.monotonic() + INTERVAL

    async def run(self) -> None:
        """Look at the clock again and again."""
        while True:
            self._due = time.monotonic() + INTERVAL
            await asyncio.sleep(INTERVAL)
            self._note()

    def take_longest(self) -> float:
        """The longest stall since this was last asked, in seconds."""
        self._note()
        longest, self._longest = self._longest, 0.0
        return longest

    def _note(self) -> None:
        now = time.monotonic()
        self._longest = max(self._longest, now - self._due)
        self._due = max(self._due, now)  # what was noted is not noted again


async def watching_stalls(app: web.Application) -> AsyncIterator[None]:
    """Have an application measure how long its loop stalls (a ``cleanup_ctx``)."""
    app[STALLS] = stalls = Stalls()
    app[BACKGROUND].start("stalls", stalls.run())
    yield


STALLS = web.AppKey("stalls", Stalls)
