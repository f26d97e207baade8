"""The order of completions: settled for everybody, whoever commits first and whatever the clocks say."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.completions import Place, before_all_at
from debusine.domain.times import EPOCH, now
from debusine.domain.work_requests import Result
from debusine.services import completions
from debusine.services.completions import Watch
from tests.server.watching import complete_one
from tests.work import Workshop, open_workshop

HOUR = timedelta(hours=1)
START = before_all_at(EPOCH)


@asynccontextmanager
async def other_server(url: str, *, ahead: timedelta = timedelta()) -> AsyncIterator[Database]:
    """A second server on the same PostgreSQL, with a clock of its own."""
    if url.startswith("sqlite"):
        pytest.skip("on SQLite there is one server and one writer")
    opened = open_database(url)
    opened.clock = lambda: now() + ahead
    yield opened
    await opened.aclose()


@asynccontextmanager
async def under_way(database: Database, workshop: Workshop) -> AsyncIterator[list[int]]:
    """A completion that has its moment already and is committed when the block ends; then its id is in the list."""
    taken, go_on, ids = threading.Event(), threading.Event(), list[int]()

    def complete(uow: UnitOfWork) -> int:
        found, _ = complete_one(uow, workshop.workspace.id, workshop.user.user.id if workshop.user.user else 0)
        taken.set()
        go_on.wait(10)
        return found

    task = asyncio.create_task(database.write(complete))
    assert await asyncio.to_thread(taken.wait, 10)
    try:
        yield ids
    finally:
        go_on.set()
        ids.append(await task)


async def complete(
    workshop: Workshop, database: Database | None = None, result: Result = Result.SUCCESS
) -> tuple[int, datetime]:
    assert workshop.user.user is not None
    return await (database or workshop.database).write(
        complete_one, workshop.workspace.id, workshop.user.user.id, result
    )


async def told(database: Database, after: Place = START) -> tuple[list[int], Place, bool]:
    """What may be told behind a place, up to where that goes, and whether something is held back."""
    page, _ = await database.read(completions.news, after, 1000, {})
    return [each.work_request for each in page.completions], page.end, page.held_back


async def test_what_is_committed_late_with_an_early_moment_holds_back_what_came_after_it(
    workshop: Workshop, database_url: str
) -> None:
    async with other_server(database_url) as other:
        first, _ = await complete(workshop)
        async with under_way(other, workshop) as late:
            second, _ = await complete(workshop)
            heard, place, held_back = await told(workshop.database)
            assert (heard, held_back) == ([first], True)
        heard, place, held_back = await told(workshop.database, place)
        assert (sorted(heard), held_back) == (sorted([*late, second]), False)


async def test_what_begins_while_one_reads_is_not_among_what_was_read(workshop: Workshop, database_url: str) -> None:
    """The latest on disk is seen first, then who is under way, then the rows: in another order one would be missed."""
    async with other_server(database_url) as other:
        await complete(workshop)
        frontier = await workshop.database.read(lambda uow: uow.completions.frontier())
        async with under_way(other, workshop) as late:
            second, _ = await complete(workshop)
            page = await workshop.database.read(
                lambda uow: uow.completions.page(
                    before_all_at(EPOCH), frontier.settled or EPOCH, workspaces=None, limit=10
                )
            )
        assert second not in [each.work_request for each in page[0]]
        heard, _, _ = await told(workshop.database, (frontier.settled or EPOCH, 1 << 62))
        assert sorted(heard) == sorted([*late, second])


async def test_a_transaction_that_fails_holds_nothing_back(workshop: Workshop, database_url: str) -> None:
    def fail(uow: UnitOfWork) -> None:
        uow.completions.moment(uow.now)
        raise ZeroDivisionError

    done, _ = await complete(workshop)
    with pytest.raises(ZeroDivisionError):
        await workshop.database.write(fail)
    assert await told(workshop.database) == ([done], (await moment_of(workshop, done), 2**63 - 1), False)


async def moment_of(workshop: Workshop, id_: int) -> datetime:
    found = (await workshop.get(id_)).completed_at
    assert found is not None
    return found


@pytest.mark.parametrize("ahead", [-HOUR, HOUR], ids=["behind", "ahead"])
async def test_a_server_whose_clock_is_wrong_is_heard_in_order_all_the_same(
    workshop: Workshop, database_url: str, ahead: timedelta
) -> None:
    async with other_server(database_url, ahead=ahead) as other:
        done = [(await complete(workshop, database))[0] for database in (None, other, None, other)]
        assert (await told(workshop.database))[0] == done


async def test_a_clock_that_is_put_back_makes_no_completion_earlier_than_the_last(workshop: Workshop) -> None:
    _, moment = await complete(workshop)
    _, place, _ = await told(workshop.database)
    await workshop.advance(-3600)
    second, later = await complete(workshop)
    assert later > moment
    assert (await told(workshop.database, place))[0] == [second]


async def test_several_in_one_transaction_have_moments_of_their_own(workshop: Workshop) -> None:
    user = workshop.user.user
    assert user is not None

    def two(uow: UnitOfWork) -> list[tuple[int, datetime]]:
        return [complete_one(uow, workshop.workspace.id, user.id) for _ in range(3)]

    done = await workshop.database.write(two)
    assert len({moment for _, moment in done}) == 3
    assert (await told(workshop.database))[0] == [id_ for id_, _ in done]


async def test_everything_is_told_once_and_in_order_however_writers_and_readers_meet(
    database: Database, database_url: str
) -> None:
    """Two servers with different clocks complete at once, with pauses in the middle; readers go on where they were."""
    workshop = await open_workshop(database)
    database.clock = now
    writers = [database, database]
    async with maybe_other(database_url) as other:
        writers += [other, other] if other is not None else []
        reading = [asyncio.create_task(read_on(each, 4 * 25)) for each in writers]
        done = [
            id_
            for ids in await asyncio.gather(*(write(each, workshop, 100 // len(writers)) for each in writers))
            for id_ in ids
        ]
        heard = await asyncio.wait_for(asyncio.gather(*reading), 60)
    assert [sorted(ids) for ids in heard] == [sorted(done)] * len(writers)
    assert len({tuple(ids) for ids in heard}) == 1


@asynccontextmanager
async def maybe_other(url: str) -> AsyncIterator[Database | None]:
    if url.startswith("sqlite"):
        yield None
        return
    async with other_server(url, ahead=timedelta(milliseconds=3)) as other:
        yield other


async def write(database: Database, workshop: Workshop, count: int) -> list[int]:
    user, chance = workshop.user.user, random.Random(count)
    assert user is not None

    def one(uow: UnitOfWork) -> int:
        chance_pause(chance)
        id_, _ = complete_one(uow, workshop.workspace.id, user.id)
        chance_pause(chance)
        return id_

    return [await database.write(one) for _ in range(count)]


def chance_pause(chance: random.Random) -> None:
    threading.Event().wait(chance.choice([0, 0, 0.001, 0.004]))


async def read_on(database: Database, count: int) -> list[int]:
    place, heard = before_all_at(EPOCH), list[int]()
    while len(heard) < count:
        page, _ = await database.read(completions.news, place, 7, {})
        heard += [each.work_request for each in page.completions]
        place = page.end
    return heard


async def test_pages_go_by_the_index(workshop: Workshop) -> None:
    await complete(workshop)
    watch = Watch(subject=workshop.user, chosen=None, audible=None, start=before_all_at(EPOCH))

    def plans(uow: UnitOfWork) -> list[str]:
        seen: list[str] = []

        @sa.event.listens_for(uow.connection, "before_cursor_execute")
        def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            if "work_requests" in statement and not statement.startswith("EXPLAIN"):
                seen.append(explained(uow, statement, parameters))

        if uow.connection.dialect.name == "postgresql":
            uow.connection.exec_driver_sql("SET enable_seqscan = off")
        completions.page(uow, watch, watch.start, 10)
        return seen

    found = await workshop.database.read(plans)
    assert len(found) == 2
    assert all("ix_work_requests_completed_at" in plan for plan in found), found


async def test_a_workspace_that_is_named_often_is_looked_up_once(workshop: Workshop) -> None:
    def statements(uow: UnitOfWork, times: int) -> int:
        seen: list[str] = []
        sa.event.listen(uow.connection, "before_cursor_execute", lambda *said: seen.append(said[2]))
        completions.begin(uow, workshop.user, [workshop.workspace.name] * times, None)
        return len(seen)

    once, often = [await workshop.database.read(statements, times) for times in (1, 1000)]

    assert 0 < often == once


def explained(uow: UnitOfWork, statement: str, parameters: object) -> str:
    word = "EXPLAIN QUERY PLAN" if uow.connection.dialect.name == "sqlite" else "EXPLAIN"
    cursor = uow.connection.connection.cursor()
    cursor.execute(f"{word} {statement}", parameters)  # type: ignore[arg-type]
    return " ".join(str(row) for row in cursor.fetchall())
