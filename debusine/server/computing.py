"""Computing: what takes long is done in a thread, one thing after the other.

Threads that compute take the interpreter from the event loop; with one of them it waits for a millisecond, with ten it
waits for ten of them, each time it has something to do.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from attrs import define, field

from debusine.plugin import in_thread

T = TypeVar("T")


@define(eq=False)
class Computing:
    """The turn to compute, of one process."""

    _turn: asyncio.Lock = field(factory=asyncio.Lock)

    async def in_turn(self, function: Callable[[], T]) -> T:
        """What a function returns that must not await."""
        async with self._turn:
            return await in_thread(function)
