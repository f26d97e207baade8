"""Two transactions step by step: which of them makes the next statement is the test's choice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.db.unit_of_work import UnitOfWork

T = TypeVar("T")

#: Seconds after which the other one goes on although it is not its turn: it is waited for in the database.
BLOCKED = 0.015


class Interleaving:
    """An order of steps for two transactions, 0 and 1; one that waits for the other's lock passes its turn."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = list(order)
        self._changed = threading.Condition()

    def step_by_step(self, number: int, function: Callable[..., T]) -> Callable[..., T]:
        """The same transaction, each statement of which waits for its turn; its last turn is the commit's."""

        def run(uow: UnitOfWork, *arguments: Any) -> T:
            paced = UnitOfWork(PacedConnection(uow.connection, lambda: self._wait(number)), uow.now)  # type: ignore[arg-type]
            paced.events = uow.events
            try:
                result = function(paced, *arguments)
                self._wait(number)
                return result
            finally:
                self._leave(number)

        return run

    def _wait(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._order or self._order[0] == number, BLOCKED)
            if number in self._order:
                self._order.remove(number)
            self._changed.notify_all()

    def _leave(self, number: int) -> None:
        with self._changed:
            self._order = [other for other in self._order if other != number]
            self._changed.notify_all()


def keep_apart(database: Database) -> None:
    """Have each function make a transaction of its own, beside others, as if each came to another server.

    SQLite has one writer, whatever is wanted.
    """
    if isinstance(database, PostgreSQLDatabase):
        database._waiting.most = 1
        database._patience = 0.0


class PacedConnection:
    """A connection each statement of which waits for its turn."""

    def __init__(self, connection: sa.Connection, wait: Callable[[], None]) -> None:
        self._connection = connection
        self._wait = wait

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self._wait()
        return self._connection.execute(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def orders(steps: int) -> Iterator[list[int]]:
    """Every order in which one transaction of at most so many steps is interrupted once by all of the other."""
    for first, second in ((0, 1), (1, 0)):
        for before in range(steps):
            yield [first] * before + [second] * 2 * steps + [first] * steps
