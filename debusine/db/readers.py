"""Readers: threads that read, and what waits at the same time shares one connection and one way back to the loop."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from debusine.db.engine import worth_retrying
from debusine.db.groups import Member, Waiting
from debusine.db.unit_of_work import UnitOfWork

#: Functions that a thread takes at a time, at most: one that takes long holds back those that came with it.
GROUP = 8
#: How often a function is run before its error is the caller's: the connection may have died since it was last used.
TRIES = 2


class Readers:
    """Run functions that change nothing; each sees at least what was committed when it was handed over."""

    def __init__(self, engine: sa.Engine, threads: int, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._waiting = Waiting(GROUP)
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._read_until_closed, name=f"reader-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, function: Callable[[UnitOfWork], Any]) -> asyncio.Future[Any]:
        """Have a function run; returns what will hold its result."""
        return self._waiting.add(function)

    def close(self) -> None:
        """Finish what waits, then return."""
        self._waiting.close()
        for thread in self._threads:
            thread.join()

    def _read_until_closed(self) -> None:
        while (group := self._waiting.take()) is not None:
            self._read(group)
            with suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
                self._loop.call_soon_threadsafe(_answer, group)

    def _read(self, group: Sequence[Member]) -> None:
        try:
            with self._engine.connect() as connection:
                connection.begin()
                for member in group:
                    self._run_member(connection, member)
        except Exception as error:  # noqa: BLE001 - the thread lives on, and nobody waits for ever
            for member in group:
                member.error = member.error or error

    def _run_member(self, connection: sa.Connection, member: Member) -> None:
        for _ in range(TRIES):
            member.run(connection, self._clock())
            if member.error is None:
                return
            connection.rollback()  # one that has died is replaced at the next statement
            if not worth_retrying(member.error):
                return


def _answer(group: Sequence[Member]) -> None:
    for member in group:
        member.answer()
