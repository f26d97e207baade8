"""Deadlines by the monotonic clock, for things that are looked at from time to time."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """Remembers when the time of each thing is over, counted from when it was first seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[K, float] = {}

    def note(self, key: K, seconds: float) -> None:
        """A thing has so many seconds from now on, unless it is known already."""
        self._ends.setdefault(key, self._clock() + seconds)

    def overdue(self, seconds_left: Mapping[K, float]) -> Sequence[K]:
        """The things whose time is over, of those that there are now; each that is new gets its seconds."""
        now = self._clock()
        self._ends = {key: self._ends.get(key, now + seconds) for key, seconds in seconds_left.items()}
        return [key for key, end in self._ends.items() if end <= now]
