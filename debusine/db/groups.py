"""Groups: functions that wait for a writer at the same time share one transaction and its commit."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from attrs import define, field

from debusine.db.engine import translated
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.domain.events import Event


class DatabaseClosed(Unavailable):
    """The server is stopping and takes no more changes."""

    def __init__(self) -> None:
        super().__init__("The server is stopping", detail="Try again in a moment")


@define(eq=False)
class Member:
    """One function that waits for its commit, and what came of it."""

    function: Callable[[UnitOfWork], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    events: list[Event] = field(factory=list)

    def run(self, connection: sa.Connection, moment: datetime) -> None:
        """Call the function, and remember what it returned or raised."""
        unit_of_work = UnitOfWork(connection, moment)
        self.result, self.error, self.events = None, None, []
        try:
            self.result = self.function(unit_of_work)
        except BaseException as error:  # noqa: BLE001 - given to the caller as it is
            self.error = error
        else:
            self.events = unit_of_work.events

    def answer(self) -> None:
        """Give the caller its result or its error, unless it has gone."""
        if self.future.cancelled():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(translated(self.error))


class Waiting:
    """The functions that no writer has taken yet; several writers may take from it."""

    def __init__(self, most: int) -> None:
        #: That a writer takes at a time: it bounds how long the first of them waits.
        self.most = most
        self._members: queue.SimpleQueue[Member | None] = queue.SimpleQueue()
        self._closed = False

    def add(self, function: Callable[[UnitOfWork], Any]) -> asyncio.Future[Any]:
        """Have a function run; returns what will hold its result once that is on disk."""
        if self._closed:
            raise DatabaseClosed
        member = Member(function, asyncio.get_running_loop().create_future())
        self._members.put(member)
        return member.future

    def close(self) -> None:
        """Take no more; the writers end once all that was taken is done."""
        if not self._closed:
            self._closed = True
            self._members.put(None)

    def take(self) -> list[Member] | None:
        """Wait for one member, then take those that wait already; None: closed and empty."""
        group = [first] if (first := self._next()) is not None else None
        if group is not None:
            self.fill(group)
        return group

    def fill(self, group: list[Member]) -> None:
        """Add to a group what waits already, as far as it may grow."""
        with suppress(queue.Empty):
            while len(group) < self.most and (member := self._next(wait=False)) is not None:
                group.append(member)

    def _next(self, *, wait: bool = True) -> Member | None:
        member = self._members.get(wait)
        if member is None:
            self._members.put(None)  # every writer is to see it
        return member


class Turn:
    """One thread's turn to run functions, of several that share a lock; who waits in vain goes on without.

    Threads that compute at the same time take the interpreter from each other at every statement, and on a database
    that is near this costs more than the statements do.
    """

    def __init__(self, lock: threading.Lock, patience: float) -> None:
        self._lock = lock
        self._patience = patience
        self._mine = False

    def __enter__(self) -> Self:
        self._mine = self._lock.acquire(timeout=self._patience)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the next one begin: what follows is only waited for."""
        if self._mine:
            self._mine = False
            self._lock.release()


def events_of(group: Sequence[Member]) -> list[Event]:
    """What is to be told of those whose work is on disk."""
    return [event for member in group if member.error is None for event in member.events]
