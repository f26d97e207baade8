"""Counting: numbers that cost the database time are counted by one at a time, for everybody who asks."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Seconds that somebody who asks waits for new numbers each time; where counting takes longer, old ones are told.
PATIENCE = 0.05
#: Seconds after which old numbers are no answer any more.
OLD = 60.0


class Counted(Generic[T]):
    """What was counted last: the more there is to count, the longer it takes, but nobody waits longer for it.

    As long as counting is quick, everybody hears numbers that are at most ``fresh`` seconds old. When it is not, they
    hear at once what was counted last, and have it counted again for those who ask later.
    """

    def __init__(
        self,
        count: Callable[[], Coroutine[Any, Any, T]],
        *,
        fresh: float,
        rest: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        #: Seconds for which numbers are good enough, at least; and how many times as long as counting them took.
        self.fresh = fresh
        self._rest = rest
        self._clock = clock
        self._counting: asyncio.Task[T] | None = None
        self._known: asyncio.Task[T] | None = None
        self._took = 0.0
        self._counted_at = float("-inf")

    async def get(self) -> T:
        """The numbers, or the error with which counting ended just now."""
        age = self._clock() - self._counted_at
        if self._counting is None and age >= max(self.fresh, self._rest * self._took):
            # In a context of its own: it is not about the request that came first.
            self._counting = asyncio.create_task(self._begin(), name="counting", context=Context())
            self._counting.add_done_callback(self._end)
        if self._known is not None and (self._counting is None or (self._took > PATIENCE and age < OLD)):
            return self._known.result()
        assert self._counting is not None
        return await asyncio.shield(self._counting)

    def forget(self) -> None:
        """Have the next one who asks wait for new numbers."""
        self._known, self._counted_at = None, float("-inf")

    async def _begin(self) -> T:
        began = self._clock()
        try:
            return await self._count()
        finally:
            self._took, self._counted_at = self._clock() - began, self._clock()

    def _end(self, counting: asyncio.Task[T]) -> None:
        self._counting = None
        if counting.cancelled() or counting.exception() is not None:
            self.forget()
        else:
            self._known = counting
