"""The border between coroutines and transactions: one hop to a thread, one commit, then the events."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import Event
from debusine.domain.times import now

P = ParamSpec("P")
T = TypeVar("T")

#: Hears of every event, on the event loop, after the commit; must be quick and must not raise.
Listener = Callable[[Sequence[Event]], None]


class Database(ABC):
    """Runs transaction functions: plain functions that take the unit of work first and never await."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self.clock = clock
        self._listeners: list[Listener] = []
        self._counting = threading.Lock()
        #: Commits so far, and the functions in them: several share one where one thread writes.
        self.commits = 0
        self.committed = 0

    async def write(self, function: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in a transaction; once this returns, what it did is on disk and its events are told."""
        return await self.run_writing(lambda uow: function(uow, *args, **kwargs))

    async def read(self, function: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that changes nothing."""
        return await self.run_reading(lambda uow: function(uow, *args, **kwargs))

    def subscribe(self, listener: Listener) -> None:
        """Have a function called with the events of each commit."""
        self._listeners.append(listener)

    @abstractmethod
    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run, commit, tell."""

    @abstractmethod
    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run, and roll back."""

    @abstractmethod
    async def count(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run a function that reads for long, and roll back: nobody waits behind it but others of its kind."""

    @abstractmethod
    async def aclose(self) -> None:
        """Finish what was begun, then let go of threads and connections."""

    def count_commit(self, functions: int) -> None:
        """Note a commit; called in whichever thread made it."""
        with self._counting:
            self.commits += 1
            self.committed += functions

    def tell(self, events: Sequence[Event]) -> None:
        """Hand committed events to the listeners; called on the event loop."""
        if events:
            for listener in self._listeners:
                listener(events)
