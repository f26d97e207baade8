"""What a server does in its database: every transaction with its statements, by whom it was asked for."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa
from attrs import Factory, define, frozen

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.server.keys import BACKGROUND
from tests.farm import Farm

#: Looks at a statement before it is sent, with its parameters; what it returns is kept.
Probe: TypeAlias = Callable[[sa.Connection, str, Any], Any]
#: What is done around the statements of a transaction; what it yields is kept.
Meter: TypeAlias = Callable[[sa.Connection], AbstractContextManager[Any]]


@frozen
class Statement:
    """One statement; of one that is sent for many rows at once the first row's parameters."""

    text: str
    #: What the probe said of it.
    seen: Any = None


@define
class Transaction:
    """One call of ``Database.read`` or ``Database.write``."""

    #: The label of the block in which it began, or ``~`` and the name of a background task.
    asked: str
    #: Counts the blocks with this label.
    visit: int
    writes: bool
    statements: list[Statement] = Factory(list)
    #: What the meter said of it.
    measured: Any = None
    ended: bool = False


@define
class Recording:
    """What was seen so far."""

    farm: Farm
    transactions: list[Transaction] = Factory(list)
    probe: Probe | None = None
    meter: Meter | None = None
    #: Every label so far, and how often something was asked under it.
    visits: Counter[str] = Factory(Counter)
    label: str = "~setting up"

    @contextmanager
    def asked(self, label: str) -> Iterator[None]:
        """Put what requests do in this block under a label."""
        before = self.label
        self.visit(label)
        try:
            yield
        finally:
            self.label = before

    def visit(self, label: str) -> None:
        """Put what requests do from now on under a label."""
        self.label = label
        self.visits[label] += 1

    async def until_ended(self, label: str, transactions: int = 1) -> None:
        """Wait until so many transactions with this label have ended."""
        async with asyncio.timeout(30):
            while sum(each.asked == label and each.ended for each in self.transactions) < transactions:
                await asyncio.sleep(0.01)

    def begin(self, *, writes: bool) -> Transaction:
        """A transaction of the present task."""
        task = asyncio.current_task()
        app = self.farm.client.app
        background = app is not None and task in app[BACKGROUND]._tasks
        asked = f"~{task.get_name().rstrip('0123456789 ')}" if background and task else self.label
        begun = Transaction(asked, self.visits[asked], writes)
        self.transactions.append(begun)
        return begun


@contextmanager
def recording(farm: Farm, probe: Probe | None = None, meter: Meter | None = None) -> Iterator[Recording]:
    """Record all that a farm does until the block ends."""
    recorded = Recording(farm, probe=probe, meter=meter)
    here = threading.local()

    def note(connection: sa.Connection, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        transaction: Transaction | None = getattr(here, "transaction", None)
        if transaction is not None:
            first = parameters[0] if many and isinstance(parameters, list) else parameters
            transaction.statements.append(Statement(text, probe and probe(connection, text, first)))

    def watched(run: Callable[[Callable[[UnitOfWork], Any]], Any], *, writes: bool) -> Any:
        async def running(function: Callable[[UnitOfWork], Any]) -> Any:
            transaction = recorded.begin(writes=writes)

            def observed(uow: UnitOfWork) -> Any:
                transaction.statements.clear()  # it may be run again
                here.transaction = transaction
                try:
                    if meter is None:
                        return function(uow)
                    with meter(uow.connection) as transaction.measured:
                        return function(uow)
                finally:
                    here.transaction = None

            try:
                return await run(observed)
            finally:
                transaction.ended = True

        return running

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    with _replaced(farm.database, watched):
        try:
            yield recorded
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)


@contextmanager
def _replaced(database: Database, watched: Callable[..., Any]) -> Iterator[None]:
    before = database.run_writing, database.run_reading, database.count
    database.run_writing = watched(before[0], writes=True)  # type: ignore[method-assign]
    database.run_reading = watched(before[1], writes=False)  # type: ignore[method-assign]
    database.count = watched(before[2], writes=False)  # type: ignore[method-assign]
    try:
        yield
    finally:
        database.run_writing, database.run_reading, database.count = before  # type: ignore[method-assign]
