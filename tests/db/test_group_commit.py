"""Many callers share one commit on SQLite, and each is told the truth about its own part."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from debusine.db.engine import DatabaseFull, DatabaseUnreachable, make_engine, normal_url, sqlite_url, translated
from debusine.db.groups import DatabaseClosed, Member
from debusine.db.schema import migrate
from debusine.db.sqlite import SQLiteDatabase, commit_group
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.times import now


def add(uow: UnitOfWork, name: str, size: int = 0) -> str:
    uow.file_stores.insert(name=name, backend="local", configuration={"filler": "x" * size})
    return name


def names(uow: UnitOfWork) -> list[str]:
    return [row.name for row in uow.connection.execute(sa.text("SELECT name FROM file_stores ORDER BY name"))]


@pytest.fixture
def url(tmp_path: Path) -> sa.URL:
    url = sqlite_url(tmp_path / "group.sqlite")
    migrate(url)
    return normal_url(url)


@pytest.fixture
async def database(url: sa.URL) -> AsyncIterator[SQLiteDatabase]:
    opened = SQLiteDatabase(url)
    yield opened
    await opened.aclose()


def group(*functions: Callable[[UnitOfWork], Any]) -> list[Member]:
    return [Member(function, asyncio.get_running_loop().create_future()) for function in functions]


def limit_pages(connection: sa.Connection, more: int) -> None:
    """Let the database grow by a few pages only, as a full disk would."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")


def stores_in(connection: sa.Connection) -> Sequence[str]:
    with connection.begin():
        return connection.exec_driver_sql("SELECT name FROM file_stores ORDER BY name").scalars().all()


async def test_callers_that_come_together_share_one_commit(database: SQLiteDatabase) -> None:
    commits = 0

    def count(_: sa.Connection) -> None:
        nonlocal commits
        commits += 1

    sa.event.listen(database._writing, "commit", count)
    all_wait = threading.Event()
    first = asyncio.create_task(database.write(lambda _: all_wait.wait(30)))
    callers = [asyncio.create_task(database.write(add, f"store-{number}")) for number in range(40)]
    await asyncio.sleep(0)
    all_wait.set()
    await asyncio.gather(first, *callers)

    assert len(await database.read(names)) == 40
    assert commits <= 2


async def test_the_member_that_fills_the_database_fails_and_the_others_are_kept(url: sa.URL) -> None:
    engine = make_engine(url, connections=1)
    with engine.connect() as connection:
        with connection.begin():
            limit_pages(connection, more=20)
        members = group(
            lambda uow: add(uow, "before"), lambda uow: add(uow, "huge", 1 << 20), lambda uow: add(uow, "after")
        )
        commit_group(connection, members, now)
        kept = stores_in(connection)
    engine.dispose()

    assert kept == ["after", "before"]
    assert [member.error is None for member in members] == [True, False, True]


async def test_a_member_that_hides_the_full_database_is_told_all_the_same(url: sa.URL) -> None:
    engine = make_engine(url, connections=1)

    def careless(uow: UnitOfWork) -> None:
        with suppress(sa.exc.OperationalError):
            add(uow, "huge", 1 << 20)

    with engine.connect() as connection:
        with connection.begin():
            limit_pages(connection, more=5)
        members = group(careless)
        commit_group(connection, members, now)
    engine.dispose()

    assert isinstance(members[0].error, DatabaseUnreachable)


async def test_a_full_database_is_told_as_such_and_heals_when_there_is_room(database: SQLiteDatabase) -> None:
    def with_little_room(uow: UnitOfWork) -> None:
        limit_pages(uow.connection, more=5)

    await database.write(with_little_room)
    with pytest.raises(DatabaseFull):
        await database.write(add, "huge", 1 << 20)
    await database.write(lambda uow: uow.connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))

    assert await database.write(add, "huge", 1 << 20) == "huge"


async def test_a_commit_that_fails_is_told_to_all_its_members(url: sa.URL) -> None:
    engine = make_engine(url, connections=1)

    def break_a_promise(uow: UnitOfWork) -> None:
        # A deferred foreign key is checked by the COMMIT itself.
        uow.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        uow.connection.exec_driver_sql("INSERT INTO workspace_file_stores VALUES (98, 99)")

    with engine.connect() as connection:
        members = group(lambda uow: add(uow, "innocent"), break_a_promise)
        commit_group(connection, members, now)
        kept = stores_in(connection)
        later = group(lambda uow: add(uow, "later"))
        commit_group(connection, later, now)
    engine.dispose()

    assert kept == []
    assert all(isinstance(member.error, sa.exc.IntegrityError) for member in members)
    assert later[0].error is None


async def test_a_writer_that_cannot_begin_tells_everybody_and_goes_on(url: sa.URL) -> None:
    engine = make_engine(url, connections=1)
    other = sqlite3.connect(str(url.database), isolation_level=None)
    with engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        blocked = group(lambda uow: add(uow, "one"), lambda uow: add(uow, "two"))
        commit_group(connection, blocked, now)
        other.execute("ROLLBACK")
        free = group(lambda uow: add(uow, "three"))
        commit_group(connection, free, now)
        kept = stores_in(connection)
    other.close()
    engine.dispose()

    assert all(isinstance(translated(member.error or Exception()), DatabaseUnreachable) for member in blocked)
    assert kept == ["three"]


async def test_a_cancelled_caller_does_not_disturb_the_others(database: SQLiteDatabase) -> None:
    first = asyncio.create_task(database.write(add, "first"))
    second = asyncio.create_task(database.write(add, "second"))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == "second"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_closing_commits_what_was_taken_and_refuses_what_comes_later(url: sa.URL) -> None:
    database = SQLiteDatabase(url)
    waiting = [asyncio.create_task(database.write(add, f"store-{number}")) for number in range(5)]
    await asyncio.sleep(0)
    await database.aclose()

    assert await asyncio.gather(*waiting) == [f"store-{number}" for number in range(5)]
    with pytest.raises(DatabaseClosed):
        await database.write(add, "late")


async def test_every_writing_connection_is_durable_and_checks_foreign_keys(database: SQLiteDatabase) -> None:
    def pragmas(uow: UnitOfWork) -> Sequence[object]:
        wanted = ("journal_mode", "synchronous", "foreign_keys")
        return [uow.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted]

    assert await database.write(pragmas) == ["wal", 2, 1]


async def test_an_answer_comes_after_the_commit(database: SQLiteDatabase, url: sa.URL) -> None:
    await database.write(add, "seen")

    # Another connection sees only what is committed.
    with sqlite3.connect(f"file:{url.database}?mode=ro", uri=True) as other:
        rows = other.execute("SELECT name FROM file_stores").fetchall()
    other.close()
    assert rows == [("seen",)]
