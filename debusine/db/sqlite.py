"""The embedded database: one writer thread that commits in groups, and readers of their own."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.engine import (
    DatabaseUnreachable,
    force_rollback,
    make_engine,
    rolled_back,
    sqlite_connection,
)
from debusine.db.groups import Member, Waiting, events_of
from debusine.db.readers import Readers
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.times import now

T = TypeVar("T")

READERS = 4
#: Functions in one commit, at most: bounds the time that the first of them waits.
GROUP = 64


class SQLiteDatabase(Database):
    """One SQLite file: exactly one connection writes, in one thread, and each commit serves all who wait for it."""

    def __init__(self, url: sa.URL, clock: Callable[[], datetime] = now) -> None:
        super().__init__(clock)
        self._writing = make_engine(url, connections=1)
        self._reading = make_engine(url, connections=READERS + 1, read_only=True)
        self._readers = Readers(self._reading, READERS, lambda: self.clock())
        self._counter = Readers(self._reading, 1, lambda: self.clock())
        self._waiting = Waiting(GROUP)
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_until_closed, name="sqlite-writer", daemon=True)
        self._writer.start()

    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """Wait for the commit that holds this function."""
        result: T = await self._waiting.add(function)
        return result

    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a connection that sees one moment and cannot write."""
        result: T = await self._readers.add(function)
        return result

    async def count(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a thread that is for nothing else."""
        result: T = await self._counter.add(function)
        return result

    async def aclose(self) -> None:
        """Commit what waits, then close."""
        self._waiting.close()
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(self._counter.close)
        self._reading.dispose()
        self._writing.dispose()

    def _write_until_closed(self) -> None:
        with self._writing.connect() as connection:
            while (group := self._waiting.take()) is not None:
                commit_group(connection, group, self.clock)
                self.count_commit(len(group))
                self._deliver(group)

    def _deliver(self, group: Sequence[Member]) -> None:
        def on_the_loop() -> None:
            self.tell(events_of(group))
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
