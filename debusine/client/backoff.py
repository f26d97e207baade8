"""How long, and how often, to try again."""

import asyncio
import logging
import random
import time

from attrs import evolve, frozen

from debusine.client.errors import Busy, Unreachable

logger = logging.getLogger(__name__)

#: Seconds of failures after which the log says so, and again after twice as many, and so on.
QUIET = 10.0


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
        return evolve(self, patience=max(seconds, self.patience))

    def impatient(self, seconds: float) -> "Backoff":
        """The same with at most this much patience."""
        return evolve(self, patience=min(seconds, self.patience))


class Retries:
    """The failures of one undertaking so far."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self.reset()

    def reset(self) -> None:
        """There was progress: patience is whole again."""
        self._began: float | None = None
        self._quiet = QUIET
        self._pause = self._backoff.first

    async def after(self, error: Unreachable | Busy) -> None:
        """Wait before the next try; raises the error when it is of no use or patience is over."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if isinstance(error, Busy):
            pause = max(pause, error.retry_after or 0.0)
        end = self._began + self._backoff.patience
        if now + pause > end or (isinstance(error, Unreachable) and error.lasting):
            raise error
        self._tell(error, now - self._began)
        self._pause = min(2 * self._pause, self._backoff.most)
        await asyncio.sleep(pause)

    def _tell(self, error: Unreachable | Busy, seconds: float) -> None:
        if seconds >= self._quiet:
            logger.warning("For %.0f seconds now: %s; trying on", seconds, error)
            self._quiet = 2 * seconds
