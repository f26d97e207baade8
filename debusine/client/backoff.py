"""How long, and how often, to try again."""

import asyncio
import random
import time

from attrs import frozen

from debusine.client.errors import Busy, Unreachable


@frozen(kw_only=True)
class Backoff:
    """Pauses that double, each shortened at random so that many clients do not come back at once."""

    #: Seconds; the first pause.
    first: float = 0.1
    #: Seconds; the longest pause.
    most: float = 5.0
    #: Seconds from the first failure after which nothing is tried any more.
    patience: float = 3.0

    def patient(self, seconds: float) -> "Backoff":
        """The same with at least this much patience."""
        return Backoff(first=self.first, most=self.most, patience=max(seconds, self.patience))


class Retries:
    """The failures of one undertaking so far."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self.reset()

    def reset(self) -> None:
        """There was progress: patience is whole again."""
        self._end: float | None = None
        self._pause = self._backoff.first

    async def after(self, error: Unreachable | Busy) -> None:
        """Wait before the next try; raises the error when it is of no use or patience is over."""
        now = time.monotonic()
        self._end = now + self._backoff.patience if self._end is None else self._end
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if isinstance(error, Busy):
            pause = max(pause, error.retry_after or 0.0)
        if now + pause > self._end or (isinstance(error, Unreachable) and error.lasting):
            raise error
        self._pause = min(2 * self._pause, self._backoff.most)
        await asyncio.sleep(pause)
