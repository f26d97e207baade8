"""Transactions are plain functions: committed when they return, undone when they raise, told afterwards."""

import asyncio
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.engine import DatabaseUnreachable, sqlite_connection
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import ChangedElsewhere, Event, WorkerChanged
from debusine.domain.files import FileStore


def add_store(uow: UnitOfWork, name: str) -> FileStore:
    uow.publish(WorkerChanged(len(name)))
    return uow.file_stores.insert(name=name, backend="local", configuration={"base_directory": "/srv"})


def add_then_fail(uow: UnitOfWork, name: str) -> None:
    add_store(uow, name)
    raise LookupError(name)


def names(uow: UnitOfWork) -> list[str]:
    rows = uow.connection.execute(sa.text("SELECT name FROM file_stores ORDER BY name"))
    return [row.name for row in rows]


async def test_what_a_function_did_is_there_once_it_is_answered(database: Database) -> None:
    store = await database.write(add_store, "one")

    assert await database.read(lambda uow: uow.file_stores.get(store.id)) == store


async def test_a_function_that_raises_leaves_nothing_and_gets_its_own_error(database: Database) -> None:
    results = await asyncio.gather(
        database.write(add_store, "a"),
        database.write(add_then_fail, "b"),
        database.write(add_store, "c"),
        return_exceptions=True,
    )

    assert isinstance(results[1], LookupError)
    assert await database.read(names) == ["a", "c"]


async def test_a_constraint_hurts_only_the_one_who_broke_it(database: Database) -> None:
    await database.write(add_store, "a")

    results = await asyncio.gather(*(database.write(add_store, name) for name in "bac"), return_exceptions=True)

    assert [isinstance(result, sa.exc.IntegrityError) for result in results] == [False, True, False]
    assert await database.read(names) == ["a", "b", "c"]


async def test_events_are_told_after_the_commit_and_only_of_what_happened(database: Database) -> None:
    told: list[Event] = []

    def listen(events: Sequence[Event]) -> None:
        told.extend(events)

    database.subscribe(listen)
    with pytest.raises(LookupError):
        await database.write(add_then_fail, "bad")
    await database.write(add_store, "good")
    await asyncio.sleep(0)

    assert [event for event in told if event != ChangedElsewhere()] == [WorkerChanged(4)]


async def test_a_reader_cannot_leave_anything_behind(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(add_store, "sneaky")

    assert await database.read(names) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_sqlite_cannot_read_just_now_is_unavailable_also_for_readers(database: Database) -> None:
    def interrupted(uow: UnitOfWork) -> list[str]:
        raw = sqlite_connection(uow.connection)
        raw.set_progress_handler(lambda: 1, 1)
        try:
            return names(uow)
        finally:
            raw.set_progress_handler(None, 0)

    with pytest.raises(DatabaseUnreachable, match="interrupted"):
        await database.read(interrupted)
    assert await database.read(names) == []
