"""The embedded database: one writer thread that commits in groups, and readers of their own."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from attrs import define, field

from debusine.db.database import Database
from debusine.db.engine import (
    DatabaseUnreachable,
    force_rollback,
    make_engine,
    rolled_back,
    sqlite_connection,
    translated,
)
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.domain.events import Event
from debusine.domain.times import now

T = TypeVar("T")

READERS = 4
#: Functions in one commit, at most: bounds the time that the first of them waits.
GROUP = 64


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


class SQLiteDatabase(Database):
    """One SQLite file: exactly one connection writes, in one thread, and each commit serves all who wait for it."""

    def __init__(self, url: sa.URL, clock: Callable[[], datetime] = now) -> None:
        super().__init__(clock)
        self._writing = make_engine(url, connections=1)
        self._reading = make_engine(url, connections=READERS, read_only=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._queue: queue.SimpleQueue[Member | None] = queue.SimpleQueue()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_until_closed, name="sqlite-writer", daemon=True)
        self._writer.start()

    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """Wait for the commit that holds this function."""
        if self._closed:
            raise DatabaseClosed
        member = Member(function, self._loop.create_future())
        self._queue.put(member)
        result: T = await member.future
        return result

    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a connection that sees one moment and cannot write."""
        return await self._loop.run_in_executor(self._readers, self._read, function)

    async def aclose(self) -> None:
        """Commit what waits, then close."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        self._reading.dispose()
        self._writing.dispose()

    def _read(self, function: Callable[[UnitOfWork], T]) -> T:
        try:
            with self._reading.connect() as connection, connection.begin() as transaction:
                result = function(UnitOfWork(connection, self.clock()))
                transaction.rollback()
        except sa.exc.DBAPIError as error:
            raise translated(error) from error
        return result

    def _write_until_closed(self) -> None:
        with self._writing.connect() as connection:
            while (group := self._next_group()) is not None:
                commit_group(connection, group, self.clock)
                self.count_commit(len(group))
                self._deliver(group)

    def _next_group(self) -> list[Member] | None:
        """Wait for one member, then take those that wait already; None: closed and empty."""
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        with suppress(queue.Empty):
            while len(group) < GROUP:
                member = self._queue.get_nowait()
                if member is None:
                    self._queue.put(None)
                    break
                group.append(member)
        return group

    def _deliver(self, group: Sequence[Member]) -> None:
        def on_the_loop() -> None:
            self.tell([event for member in group if member.error is None for event in member.events])
            for member in group:
                member.answer()

        with suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
            self._loop.call_soon_threadsafe(on_the_loop)


def commit_group(connection: sa.Connection, group: Sequence[Member], clock: Callable[[], datetime]) -> None:
    """Run the members one after the other and commit them together; each keeps its own result or error.

    A member that raises is rolled back alone. When SQLite rolls back everything (a full disk), the member that
    caused it keeps its error, and the others run again, each in a transaction of its own. When the commit fails,
    nobody's work is on disk, and everybody is told so.
    """
    try:
        _commit_together(connection, group, clock)
    except Exception as error:  # noqa: BLE001 - the writer lives on, and nobody waits for ever
        for member in group:
            member.error = member.error or error
    finally:
        force_rollback(connection)


def _commit_together(connection: sa.Connection, group: Sequence[Member], clock: Callable[[], datetime]) -> None:
    transaction = connection.begin()
    for member in group:
        _run_member(connection, member, clock())
        if rolled_back(connection):
            transaction.rollback()
            _run_alone(connection, [other for other in group if other is not member], clock)
            return
    transaction.commit()


def _run_member(connection: sa.Connection, member: Member, moment: datetime) -> None:
    raw = sqlite_connection(connection)
    raw.execute("SAVEPOINT member")
    member.run(connection, moment)
    if rolled_back(connection):
        # Also when the function took no notice: nothing of it is there any more.
        member.error = member.error or DatabaseUnreachable("SQLite has rolled back the transaction")
        return
    if member.error is not None:
        raw.execute("ROLLBACK TO member")
    raw.execute("RELEASE member")


def _run_alone(connection: sa.Connection, members: Sequence[Member], clock: Callable[[], datetime]) -> None:
    for member in members:
        commit_group(connection, [member], clock)
