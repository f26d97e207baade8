"""The cluster's database: a pool of threads, each transaction on a connection of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from debusine.db.bell import Bell
from debusine.db.database import Database
from debusine.db.engine import make_engine, translated, worth_retrying
from debusine.db.readers import Readers
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import ChangedElsewhere, Event
from debusine.domain.times import now

T = TypeVar("T")

THREADS = 8
#: How often a transaction is run before its error is the caller's.
TRIES = 5


class PostgreSQLDatabase(Database):
    """A PostgreSQL database, shared with other servers."""

    def __init__(self, url: sa.URL, clock: Callable[[], datetime] = now, *, threads: int = THREADS) -> None:
        super().__init__(clock)
        self._engine = make_engine(url, connections=threads)
        self._reading = make_engine(url, connections=threads, read_only=True)
        self._readers = Readers(self._reading, threads, lambda: self.clock())
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="postgresql")
        self._loop = asyncio.get_running_loop()
        self._bells = make_engine(url, connections=2)
        self._bell = Bell(self._bells, self._changed_elsewhere)

    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run and commit; again when PostgreSQL chose this transaction as the victim of a conflict."""
        return await self._loop.run_in_executor(self._threads, self._write, function)

    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a connection that cannot write."""
        result: T = await self._readers.add(function)
        return result

    async def aclose(self) -> None:
        """Finish what runs, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(self._bell.close)
        self._engine.dispose()
        self._reading.dispose()
        self._bells.dispose()

    def _write(self, function: Callable[[UnitOfWork], T]) -> T:
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                result, events = self._write_once(function)
            except BeforeCommit as error:
                if last or not worth_retrying(error.cause):
                    raise translated(error.cause) from error.cause
            else:
                # From here, not from the coroutine: its caller may have gone, and the commit is on disk all the same.
                self._tell_all(events)
                return result
        raise AssertionError

    def _write_once(self, function: Callable[[UnitOfWork], T]) -> tuple[T, list[Event]]:
        with _connection(self._engine) as connection:
            unit_of_work = UnitOfWork(connection, self.clock())
            try:
                result = function(unit_of_work)
            except Exception as error:
                raise BeforeCommit(error) from error
            try:
                connection.commit()
                self.count_commit(1)
            except sa.exc.DBAPIError as error:  # its outcome is unknown, and the caller's to ask about
                raise translated(error) from error
        return result, unit_of_work.events

    def _tell_all(self, events: list[Event]) -> None:
        if events:
            self._bell.ring()
            self._tell_here(events)

    def _changed_elsewhere(self) -> None:
        self._tell_here([ChangedElsewhere()])

    def _tell_here(self, events: list[Event]) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it everybody who listened
            self._loop.call_soon_threadsafe(self.tell, events)


class BeforeCommit(Exception):
    """A transaction failed while nothing could have been committed."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _connection(engine: sa.Engine) -> sa.Connection:
    try:
        return engine.connect()
    except sa.exc.DBAPIError as error:
        raise BeforeCommit(error) from error
