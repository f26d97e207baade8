"""The cluster's database: a few writing threads that commit in groups, and readers of their own."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from debusine.db.bell import Bell
from debusine.db.database import Database
from debusine.db.engine import make_engine, on_this_machine
from debusine.db.groups import Member, Turn, Waiting, events_of
from debusine.db.postgresql_groups import commit_group
from debusine.db.readers import Readers
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import ChangedElsewhere
from debusine.domain.times import now

T = TypeVar("T")

READERS = 8
#: Threads that write. While one waits for its commit the next one goes on.
WRITERS = 3
#: Seconds that a thread waits for its turn on a database of this machine, while a function takes long. Where another
#: machine is waited for at each statement, the interpreter is free meanwhile, and nobody takes turns.
PATIENCE = 0.1
#: Functions in one commit, at most: bounds the time that the first of them waits, and that its locks are held.
GROUP = 16
#: How often a transaction is run before its error is the caller's; once more when it began in company.
TRIES = 5


class PostgreSQLDatabase(Database):
    """A PostgreSQL database, shared with other servers."""

    def __init__(
        self, url: sa.URL, clock: Callable[[], datetime] = now, *, readers: int = READERS, writers: int = WRITERS
    ) -> None:
        super().__init__(clock)
        self._engine = make_engine(url, connections=writers)
        self._reading = make_engine(url, connections=readers + 1, read_only=True)
        self._readers = Readers(self._reading, readers, lambda: self.clock())
        self._counter = Readers(self._reading, 1, lambda: self.clock())
        self._waiting = Waiting(GROUP)
        self._running = threading.Lock()
        self._patience = PATIENCE if on_this_machine(url) else 0.0
        self._loop = asyncio.get_running_loop()
        self._bells = make_engine(url, connections=2)
        self._bell = Bell(self._bells, self._changed_elsewhere)
        self._writers = [
            threading.Thread(target=self._write_until_closed, name=f"postgresql-writer-{number}", daemon=True)
            for number in range(writers)
        ]
        for writer in self._writers:
            writer.start()

    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """Wait for the commit that holds this function; it runs again when it fell victim to a conflict."""
        result: T = await self._waiting.add(function)
        return result

    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a connection that cannot write."""
        result: T = await self._readers.add(function)
        return result

    async def count(self, function: Callable[[UnitOfWork], T]) -> T:
        """Run on a thread that is for nothing else."""
        result: T = await self._counter.add(function)
        return result

    async def aclose(self) -> None:
        """Finish what runs, then close the connections."""
        self._waiting.close()
        for writer in self._writers:
            await asyncio.to_thread(writer.join)
        await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(self._counter.close)
        await asyncio.to_thread(self._bell.close)
        self._engine.dispose()
        self._reading.dispose()
        self._bells.dispose()

    def _write_until_closed(self) -> None:
        while (group := self._waiting.take()) is not None:
            with Turn(self._running, self._patience) as turn:
                self._waiting.fill(group)  # with what came meanwhile
                self._settle(group, turn, TRIES)

    def _settle(self, group: Sequence[Member], turn: Turn, tries: int) -> None:
        """Run a group until each of its members is on disk or has its error, and answer."""
        again = commit_group(self._engine, group, self.clock, before_commit=turn.end)
        again = again if tries > 1 else ()
        later = {member for part in again for member in part}
        settled = [member for member in group if member not in later]
        if kept := sum(member.error is None for member in settled):
            self.count_commit(kept)
        self._deliver(settled)
        for part in again:
            self._settle(part, turn, tries - 1)

    def _deliver(self, group: Sequence[Member]) -> None:
        if events := events_of(group):
            self._bell.ring()

        def on_the_loop() -> None:
            self.tell(events)
            for member in group:
                member.answer()

        self._on_the_loop(on_the_loop)

    def _changed_elsewhere(self) -> None:
        self._on_the_loop(lambda: self.tell([ChangedElsewhere()]))

    def _on_the_loop(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
            self._loop.call_soon_threadsafe(function)
