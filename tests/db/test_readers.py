"""What is read at the same time shares a connection, and nothing else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.engine import make_engine, normal_url
from debusine.db.groups import DatabaseClosed
from debusine.db.readers import GROUP, Readers
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import NotFound
from debusine.domain.times import now
from debusine.services import accounts


@asynccontextmanager
async def one_reader(url: str) -> AsyncIterator[Readers]:
    engine = make_engine(normal_url(url), connections=1, read_only=True)
    readers = Readers(engine, 1, now)
    yield readers
    await asyncio.to_thread(readers.close)
    engine.dispose()


class Gate:
    """A function that reads until it may end."""

    def __init__(self) -> None:
        self._entered, self._open = threading.Event(), threading.Event()

    def __call__(self, uow: UnitOfWork) -> str:
        users(uow)
        self._entered.set()
        assert self._open.wait(30)
        return "went through"

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, 30)

    def open(self) -> None:
        self._open.set()


def users(uow: UnitOfWork) -> set[str]:
    return {user.username for user in uow.users.all()}


def fails(_uow: UnitOfWork) -> None:
    raise NotFound("Nothing is there")


async def test_those_that_wait_are_read_together_on_one_connection(database_url: str) -> None:
    used: list[Any] = []
    note: Callable[[UnitOfWork], None] = lambda uow: used.append(uow.connection)  # noqa: E731
    async with one_reader(database_url) as readers:
        gate = Gate()
        first = readers.add(gate)
        await gate.entered()
        others = [readers.add(note) for _ in range(GROUP)]
        gate.open()
        await asyncio.gather(first, *others)

    assert len({id(connection) for connection in used}) == 1
    assert len(used) == GROUP


async def test_what_was_on_disk_when_a_function_came_is_seen_by_it(database: Database, database_url: str) -> None:
    async with one_reader(database_url) as readers:
        gate = Gate()
        first = readers.add(gate)
        await gate.entered()
        await database.write(accounts.create_user, "alice")
        later = readers.add(users)
        gate.open()

        assert await first == "went through"
        assert await later == {"alice"}


async def test_an_error_is_that_of_its_own_function_alone(database_url: str) -> None:
    async with one_reader(database_url) as readers:
        gate = Gate()
        first = readers.add(gate)
        await gate.entered()
        functions = [users, fails, lambda uow: uow.connection.execute(sa.text("SELECT nothing")), users]
        several = [readers.add(function) for function in functions]
        gate.open()
        found = await asyncio.gather(first, *several, return_exceptions=True)

    assert found[0] == "went through"
    assert [type(each) for each in found[1:]] == [set, NotFound, type(found[3]), set]
    assert isinstance(found[3], Exception)


async def test_nothing_can_be_changed(database_url: str) -> None:
    async with one_reader(database_url) as readers:
        with pytest.raises(Exception, match=r"read-?only"):
            await readers.add(lambda uow: accounts.create_user(uow, "alice"))

        assert await readers.add(users) == set()


async def test_what_waits_is_read_before_the_end_and_nothing_after_it(database_url: str) -> None:
    async with one_reader(database_url) as readers:
        gate = Gate()
        waiting = [readers.add(gate), readers.add(users)]
        gate.open()

    assert await asyncio.gather(*waiting) == ["went through", set()]
    with pytest.raises(DatabaseClosed):
        readers.add(users)


async def test_who_counts_for_long_holds_nobody_back(database: Database) -> None:
    gate = Gate()
    counting, reading = [], []
    for _ in range(20):
        counting.append(asyncio.create_task(database.count(gate)))
        reading.append(asyncio.create_task(database.read(users)))

    assert await asyncio.wait_for(asyncio.gather(*reading), 20) == [set()] * 20

    gate.open()
    assert await asyncio.gather(*counting) == ["went through"] * 20
