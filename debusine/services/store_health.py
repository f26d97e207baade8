"""Store health: how each store fares, and a pause for one that fails again and again."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

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
        self.retry_after = max(1, round(min(seconds, LONGEST_PAUSE)))


@define(eq=False)
class Pauses:
    """When something is left alone that fails again and again."""

    clock: Callable[[], float]
    #: In a row; of those that come together, one counts.
    failures: int = 0
    until: float = 0.0
    _failed_at: float = float("-inf")

    @property
    def over(self) -> bool:
        """Whether there is hope that it works."""
        return self.failures < PATIENCE

    def left(self) -> float:
        """Seconds for which it is not to be tried; when none are left, one is let through, and the others wait on."""
        now = self.clock()
        if self.over or now >= self.until:
            self.until = max(self.until, now + PAUSE) if not self.over else self.until
            return 0.0
        return self.until - now

    def fail(self) -> None:
        """It has failed once more."""
        now = self.clock()
        if now - self._failed_at >= TOGETHER:
            self.failures += 1
            self._failed_at = now
        if not self.over:
            self.until = now + min(LONGEST_PAUSE, PAUSE * 2 ** min(self.failures - PATIENCE, 10))

    def give_up(self) -> None:
        """It is not to be tried before somebody has seen that it works."""
        self.failures, self.until = PATIENCE, float("inf")

    def end(self) -> None:
        """It works."""
        self.failures = 0


@define(eq=False)
class StoreHealth:
    """How one store fares in this process; that it takes nothing does not keep it from giving what it has."""

    name: str
    clock: Callable[[], float] = time.monotonic
    #: "ok", or what went wrong last.
    state: str = OK
    #: A device that has lied once is the operator's to look after: until the next start it is not called well.
    condemned: bool = False
    #: Whether the place was made ready; if not, that is still to be done.
    prepared: bool = True
    giving: Pauses = field(init=False)
    taking: Pauses = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Let both look at the same clock, also when a test sets another one."""
        self.giving, self.taking = Pauses(lambda: self.clock()), Pauses(lambda: self.clock())

    @property
    def gives(self) -> bool:
        """Whether there is hope that it gives something."""
        return self.giving.over

    @property
    def takes(self) -> bool:
        """Whether there is hope that it takes something."""
        return self.giving.over and self.taking.over

    @property
    def failing(self) -> bool:
        """Whether it did not answer when it was asked last, or is still to be made ready."""
        return self.giving.failures > 0 or self.taking.failures > 0 or not self.prepared

    @contextmanager
    def watching(self, *, writing: bool = False) -> Iterator[None]:
        """See how it goes what is done with the store in the block; ``StorePaused`` when that is not to be tried."""
        self._check(writing=writing)
        try:
            yield
        except WriteFailed as error:
            self.condemned = True
            self._note(str(error))
            raise
        except StorageFull as error:
            self._note(str(error))  # it answers
            raise
        except Unavailable as error:
            (self.taking if writing else self.giving).fail()
            self._note(str(error))
            raise
        self._succeed(writing=writing)

    def start_broken(self, error: DebusineError) -> None:
        """The store could not be made ready at the start: it is not asked until that has been done."""
        self.prepared = False
        self.giving.give_up()
        self._note(str(error))

    def recover(self) -> None:
        """The store has been seen to work."""
        self.prepared = True
        self.taking.end()
        self._succeed(writing=False)

    def _succeed(self, *, writing: bool) -> None:
        self.giving.end()
        if writing:
            self.taking.end()
        if self.taking.failures == 0 and not self.condemned:
            self._note(OK)

    def _check(self, *, writing: bool) -> None:
        for pauses in (self.giving, self.taking) if writing else (self.giving,):
            if (left := pauses.left()) > 0:
                raise StorePaused(self.name, self.state, left)

    def _note(self, state: str) -> None:
        if self.state != state:
            logger.log(logging.INFO if state == OK else logging.ERROR, "The store %s: %s", self.name, state)
        self.state = state
