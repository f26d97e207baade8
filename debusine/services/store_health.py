"""Store health: how each store fares, and a pause for one that fails again and again."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define

from debusine.domain.errors import DebusineError, StorageFull, Unavailable
from debusine.plugin import WriteFailed

logger = logging.getLogger(__name__)

OK = "ok"

#: Failures in a row after which a store is left alone for a while.
PATIENCE = 3
#: Seconds within which failures count as one: a store that goes away fails all that is under way.
TOGETHER = 1.0
#: Seconds of the first pause, which doubles with each failure after it, and of the longest.
PAUSE, LONGEST_PAUSE = 1.0, 30.0


class StorePaused(Unavailable):
    """A store has failed several times in a row, so nobody is made to wait for it just now."""

    def __init__(self, name: str, state: str, seconds: float) -> None:
        super().__init__(f"The store {name} does not work just now", detail=state)
        self.retry_after = max(1, round(seconds))


@define(eq=False)
class StoreHealth:
    """How one store fares in this process."""

    name: str
    clock: Callable[[], float] = time.monotonic
    #: "ok", or what went wrong last.
    state: str = OK
    #: A device that has lied once is the operator's to look after: until the next start it is not called well.
    condemned: bool = False
    #: Whether the place was made ready; if not, that is still to be done.
    prepared: bool = True
    #: In a row; of those that come together, one counts.
    _failures: int = 0
    _failed_at: float = float("-inf")
    _paused_until: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether there is hope that it takes or gives something."""
        return self._failures < PATIENCE

    @property
    def failing(self) -> bool:
        """Whether it did not answer when it was asked last, or is still to be made ready."""
        return self._failures > 0 or not self.prepared

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See how it goes what is done with the store in the block; ``StorePaused`` when that is not to be tried."""
        self._check()
        try:
            yield
        except WriteFailed as error:
            self.condemned = True
            self._note(str(error))
            raise
        except StorageFull as error:
            self._failures = 0  # it answers
            self._note(str(error))
            raise
        except Unavailable as error:
            self.fail(error)
            raise
        self.recover()

    def fail(self, error: Unavailable) -> None:
        """The store did not answer."""
        now = self.clock()
        if now - self._failed_at >= TOGETHER:
            self._failures += 1
            self._failed_at = now
        if self._failures >= PATIENCE:
            self._paused_until = now + min(LONGEST_PAUSE, PAUSE * 2 ** min(self._failures - PATIENCE, 10))
        self._note(str(error))

    def start_broken(self, error: DebusineError) -> None:
        """The store could not be made ready at the start: it is asked in vain until a probe succeeds."""
        self.prepared = False
        self._failures = PATIENCE
        self._paused_until = self.clock() + LONGEST_PAUSE
        self._note(str(error))

    def recover(self) -> None:
        """The store has done what it was asked for."""
        self._failures = 0
        if not self.condemned:
            self._note(OK)

    def _check(self) -> None:
        if self.usable:
            return
        now = self.clock()
        if now < self._paused_until:
            raise StorePaused(self.name, self.state, self._paused_until - now)
        # One is let through to try; the others go on being refused until it is known how that went.
        self._paused_until = now + PAUSE

    def _note(self, state: str) -> None:
        if self.state != state:
            logger.log(logging.INFO if state == OK else logging.ERROR, "The store %s: %s", self.name, state)
        self.state = state
