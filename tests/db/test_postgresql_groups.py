"""Many callers share one commit on PostgreSQL, and each is told the truth about its own part."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from debusine.db import postgresql
from debusine.db.engine import (
    DatabaseUnreachable,
    DatabaseUnwilling,
    make_engine,
    normal_url,
    on_this_machine,
    translated,
)
from debusine.db.groups import DatabaseClosed, Member
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.db.postgresql_groups import commit_group
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import ChangedElsewhere, Event, WorkerChanged
from debusine.domain.times import now
from tests.postgresql import PostgreSQLServer

SERIALIZATION = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"
DISCONNECT = "SELECT pg_terminate_backend(pg_backend_pid())"
PATIENCE = 30.0


@pytest.fixture
def url(postgresql_server: PostgreSQLServer, postgresql_template: str) -> Iterator[sa.URL]:
    url = postgresql_server.create_database(template=postgresql_template)
    yield normal_url(url)
    postgresql_server.discard_database(url)


@pytest.fixture
async def database(url: sa.URL) -> AsyncIterator[PostgreSQLDatabase]:
    opened = PostgreSQLDatabase(url, writers=1)
    yield opened
    await opened.aclose()


@pytest.fixture
def engine(url: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(url, connections=1)
    yield engine
    engine.dispose()


class Adding:
    """Adds a store, with a fault of the database on its first runs."""

    def __init__(self, name: str, fault: str | None = None, *, failures: int = 1) -> None:
        self.name = name
        self.fault = fault
        self.failures = failures
        self.runs = 0

    def __call__(self, uow: UnitOfWork) -> str:
        self.runs += 1
        uow.file_stores.insert(name=self.name, backend="local", configuration={})
        uow.publish(WorkerChanged(len(self.name)))
        if self.fault is not None and self.runs <= self.failures:
            uow.connection.execute(sa.text(self.fault))
        return self.name


def refuse(uow: UnitOfWork) -> None:
    uow.file_stores.insert(name="refused", backend="local", configuration={})
    raise LookupError


def names(uow: UnitOfWork) -> list[str]:
    return [row.name for row in uow.connection.execute(sa.text("SELECT name FROM file_stores ORDER BY name"))]


def members(*functions: Callable[[UnitOfWork], Any]) -> list[Member]:
    return [Member(function, asyncio.get_running_loop().create_future()) for function in functions]


def names_in(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return names(UnitOfWork(connection, now()))


async def together(database: PostgreSQLDatabase, *functions: Callable[[UnitOfWork], Any]) -> list[Any]:
    """What functions return or raise that the one writer finds waiting together."""
    all_wait = threading.Event()
    first = asyncio.create_task(database.write(lambda _: all_wait.wait(PATIENCE)))
    callers = [asyncio.create_task(database.write(function)) for function in functions]
    await asyncio.sleep(0)
    all_wait.set()
    await first
    return await asyncio.gather(*callers, return_exceptions=True)


async def test_callers_that_come_together_share_one_commit(database: PostgreSQLDatabase) -> None:
    before = database.commits
    results = await together(database, *(Adding(f"store-{number}") for number in range(10)))

    assert results == [f"store-{number}" for number in range(10)]
    assert await database.read(names) == sorted(results)
    assert database.commits - before <= 2


async def test_nobody_is_guarded_until_somebody_fails(engine: sa.Engine) -> None:
    sent: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))

    commit_group(engine, members(Adding("a"), Adding("b"), Adding("c")), now)
    assert [text.partition(" ")[0] for text in sent] == ["INSERT"] * 3

    sent.clear()
    commit_group(engine, members(Adding("d"), refuse, Adding("e")), now)
    assert "SAVEPOINT member" in sent
    assert names_in(engine) == ["a", "b", "c", "d", "e"]


async def test_a_member_that_failed_because_of_another_that_is_not_kept_is_not_told_of_it(engine: sa.Engine) -> None:
    def add_and_refuse(uow: UnitOfWork) -> None:
        Adding("a")(uow)
        raise LookupError

    group = members(add_and_refuse, Adding("a"))

    assert commit_group(engine, group, now) == []
    assert [type(member.error) for member in group] == [LookupError, type(None)]
    assert names_in(engine) == ["a"]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
async def test_a_member_that_raises_leaves_nothing_and_the_others_are_kept(engine: sa.Engine, place: int) -> None:
    functions: list[Callable[[UnitOfWork], Any]] = [Adding("a"), Adding("b"), Adding("c")]
    functions.insert(place, refuse)
    group = members(*functions)

    assert commit_group(engine, group, now) == []
    assert [type(member.error) for member in group if member.error] == [LookupError]
    assert isinstance(group[place].error, LookupError)
    assert names_in(engine) == ["a", "b", "c"]


async def test_several_that_raise_are_undone_each_by_itself(engine: sa.Engine) -> None:
    group = members(refuse, Adding("a"), refuse, refuse, Adding("b"), refuse, Adding("c"), refuse)

    assert commit_group(engine, group, now) == []
    assert [member.result for member in group if member.error is None] == ["a", "b", "c"]
    assert names_in(engine) == ["a", "b", "c"]


async def test_a_broken_constraint_hurts_only_the_one_who_broke_it(database: PostgreSQLDatabase) -> None:
    results = await together(database, Adding("a"), Adding("b"), Adding("a"), Adding("c"))

    assert [isinstance(result, sa.exc.IntegrityError) for result in results] == [False, False, True, False]
    assert await database.read(names) == ["a", "b", "c"]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_member_that_hides_an_aborted_transaction_is_told_all_the_same(engine: sa.Engine, place: int) -> None:
    def careless(uow: UnitOfWork) -> None:
        with suppress(sa.exc.DBAPIError):
            uow.connection.execute(sa.text("SELECT 1 / 0"))

    functions: list[Callable[[UnitOfWork], Any]] = [Adding("a"), Adding("b")]
    functions.insert(place, careless)
    group = members(*functions)

    assert commit_group(engine, group, now) == []
    assert [isinstance(member.error, DatabaseUnwilling) for member in group] == [n == place for n in range(3)]
    assert names_in(engine) == ["a", "b"]


async def test_a_victim_of_a_conflict_runs_again_until_it_is_done_and_the_others_once(
    database: PostgreSQLDatabase,
) -> None:
    victim, others = Adding("victim", SERIALIZATION, failures=2), [Adding("a"), Adding("b")]
    results = await together(database, others[0], victim, others[1])

    assert results == ["a", "victim", "b"]
    assert (victim.runs, [other.runs for other in others]) == (3, [2, 1])
    assert await database.read(names) == ["a", "b", "victim"]


async def test_a_conflict_that_stays_is_its_members_error_alone(database: PostgreSQLDatabase) -> None:
    victim = Adding("victim", SERIALIZATION, failures=100)
    results = await together(database, Adding("a"), victim, Adding("b"))

    assert isinstance(results[1], DatabaseUnwilling)
    assert victim.runs == 6
    assert await database.read(names) == ["a", "b"]


async def test_a_deadlock_with_another_server_is_resolved(
    database: PostgreSQLDatabase, engine: sa.Engine, url: sa.URL
) -> None:
    await together(database, Adding("one"), Adding("other"))
    touch = sa.text("UPDATE file_stores SET backend = backend WHERE name = :name")
    blocked = sa.text("SELECT cardinality(pg_blocking_pids(:process)) > 0")
    runs: list[str] = []
    process: list[int] = []
    held, wanted = threading.Event(), threading.Event()

    def first(uow: UnitOfWork) -> str:
        uow.connection.execute(touch, {"name": "one"})
        assert held.wait(PATIENCE)
        wanted.set()
        return "first"

    def second(uow: UnitOfWork) -> str:
        runs.append("second")
        if len(runs) == 1:
            # Who waits looks for a deadlock once, after a while; by then the other one must wait, too.
            deadline = time.monotonic() + PATIENCE
            while not uow.connection.execute(blocked, {"process": process[0]}).scalar_one():
                assert time.monotonic() < deadline
        uow.connection.execute(sa.text("SET LOCAL deadlock_timeout = '10ms'"))
        uow.connection.execute(touch, {"name": "other"})
        return "second"

    def stranger() -> None:
        with engine.begin() as connection:
            process.append(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
            connection.execute(sa.text("SET LOCAL deadlock_timeout = '1min'"))  # so that the group is the victim
            connection.execute(touch, {"name": "other"})
            held.set()
            assert wanted.wait(PATIENCE)
            connection.execute(touch, {"name": "one"})

    meeting = asyncio.create_task(asyncio.to_thread(stranger))
    assert await together(database, first, second) == ["first", "second"]
    await meeting
    # Again, and once more whenever it takes a row from the stranger before that one is awake.
    assert len(runs) > 1


async def test_a_lost_connection_costs_nobody_anything_but_time(database: PostgreSQLDatabase) -> None:
    culprit, others = Adding("culprit", DISCONNECT), [Adding("a"), Adding("b"), Adding("c")]
    results = await together(database, others[0], refuse, others[1], culprit, others[2])

    assert [result for result in results if isinstance(result, str)] == ["a", "b", "culprit", "c"]
    assert isinstance(results[1], LookupError)
    assert await database.read(names) == ["a", "b", "c", "culprit"]


async def test_who_loses_the_connection_each_time_is_told_so_and_the_others_are_kept(
    database: PostgreSQLDatabase,
) -> None:
    culprit = Adding("culprit", DISCONNECT, failures=100)
    results = await together(database, Adding("a"), culprit, Adding("b"))

    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], DatabaseUnreachable)
    assert culprit.runs == 6
    assert await database.read(names) == ["a", "b"]


async def test_who_hides_that_the_connection_was_lost_is_told_all_the_same(engine: sa.Engine) -> None:
    def careless(uow: UnitOfWork) -> None:
        with suppress(sa.exc.DBAPIError):
            uow.connection.execute(sa.text(DISCONNECT))

    group = members(Adding("a"), careless, Adding("b"))

    assert commit_group(engine, group, now) == [[group[1]], [group[0], group[2]]]
    assert all(isinstance(member.error, DatabaseUnreachable) for member in group)
    assert names_in(engine) == []


async def test_a_commit_whose_answer_is_lost_is_told_to_all_and_repeated_for_none(
    database: PostgreSQLDatabase, engine: sa.Engine
) -> None:
    cut = sa.text("SELECT pg_terminate_backend(:victim)")

    def lose_connection(connection: sa.Connection) -> None:
        with engine.connect() as other:
            other.execute(cut, {"victim": connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()})

    functions = [Adding("a"), Adding("b")]
    told: list[Event] = []
    database.subscribe(told.extend)
    sa.event.listen(database._engine, "commit", lose_connection, once=True)
    group = members(functions[0], refuse, functions[1])
    parts = commit_group(database._engine, group, now)

    assert parts == []
    assert [type(translated(member.error or Exception())) for member in group] == [DatabaseUnreachable] * 3
    assert [function.runs for function in functions] == [2, 1]
    assert set(told) <= {ChangedElsewhere()}
    assert await database.write(names) == []


async def test_the_victim_of_a_conflict_runs_again_also_when_the_commit_of_the_others_is_lost(
    engine: sa.Engine,
) -> None:
    def fail(_: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("the connection is closed"))

    victim = Adding("victim", SERIALIZATION, failures=2)
    sa.event.listen(engine, "commit", fail, once=True)
    group = members(Adding("a"), victim)

    assert commit_group(engine, group, now) == [[group[1]]]
    assert isinstance(translated(group[0].error or Exception()), DatabaseUnreachable)


async def test_nobody_waits_for_ever_for_a_database_that_is_not_there(url: sa.URL) -> None:
    absent = make_engine(url.set(database="absent"), connections=1)
    group = members(Adding("a"), Adding("b"))
    parts = commit_group(absent, group, now)
    absent.dispose()

    assert parts == []
    assert all(isinstance(translated(member.error or Exception()), DatabaseUnreachable) for member in group)


async def test_events_are_told_once_of_what_was_kept_and_of_nothing_else(database: PostgreSQLDatabase) -> None:
    told: list[Event] = []
    database.subscribe(told.extend)
    await together(database, Adding("a"), refuse, Adding("bb", SERIALIZATION), Adding("ccc"))

    assert [event for event in told if event != ChangedElsewhere()] == [
        WorkerChanged(1), WorkerChanged(3), WorkerChanged(2)
    ]  # fmt: skip


async def test_an_announced_completion_goes_with_the_member_that_announced_it(engine: sa.Engine) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    seen: list[int] = []

    def announce(uow: UnitOfWork) -> None:
        uow.completions.moment(uow.now)
        raise LookupError

    def look(uow: UnitOfWork) -> None:
        seen.append(uow.connection.execute(sa.text(held)).scalar_one())

    commit_group(engine, members(Adding("a"), announce, look), now)

    assert seen == [0]


class Crowd:
    """Notes how many run it at the same time; one waits until others have come, or a while for them in vain."""

    def __init__(self, expected: int, patience: float) -> None:
        self.met = threading.Barrier(expected)
        self.patience = patience

    def __call__(self, _: UnitOfWork) -> bool:
        with suppress(threading.BrokenBarrierError):
            self.met.wait(self.patience)
            return True
        return False


async def test_writers_take_turns_on_a_database_of_this_machine(url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PATIENCE", PATIENCE)
    monkeypatch.setattr(postgresql, "GROUP", 1)
    database = PostgreSQLDatabase(url, writers=2)
    crowd = Crowd(2, 0.2)

    assert await asyncio.gather(*(database.write(crowd) for _ in range(2))) == [False, False]
    await database.aclose()


async def test_nobody_waits_long_for_a_turn_while_a_function_takes_long(
    url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "PATIENCE", 0.01)
    database = PostgreSQLDatabase(url, writers=2)
    crowd = Crowd(2, PATIENCE)
    first = asyncio.create_task(database.write(crowd))
    await asyncio.sleep(0.05)

    assert await database.write(crowd)
    assert await first
    await database.aclose()


async def test_while_one_waits_for_its_commit_the_next_one_runs(url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PATIENCE", PATIENCE)
    database = PostgreSQLDatabase(url, writers=2)
    committing, another_ran = threading.Event(), threading.Event()

    def wait(_: sa.Connection) -> None:
        committing.set()
        assert another_ran.wait(PATIENCE)

    sa.event.listen(database._engine, "commit", wait, once=True)
    first = asyncio.create_task(database.write(Adding("a")))
    await asyncio.to_thread(committing.wait, PATIENCE)

    await database.write(lambda _: another_ran.set())
    assert await first == "a"
    await database.aclose()


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("postgresql:///farm", True),
        ("postgresql://me@/farm?host=/run/postgresql", True),
        ("postgresql://localhost/farm", True),
        ("postgresql://[::1]:5433/farm", True),
        ("postgresql://db.example/farm", False),
        ("postgresql:///farm?host=db.example", False),
    ],
)
def test_a_url_says_whether_the_database_is_on_this_machine(url: str, near: bool) -> None:
    assert on_this_machine(normal_url(url)) is near


async def test_a_cancelled_caller_does_not_disturb_the_others(database: PostgreSQLDatabase) -> None:
    first = asyncio.create_task(database.write(Adding("first")))
    second = asyncio.create_task(database.write(Adding("second")))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == "second"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_closing_commits_what_was_taken_and_refuses_what_comes_later(url: sa.URL) -> None:
    database = PostgreSQLDatabase(url)
    waiting = [asyncio.create_task(database.write(Adding(f"store-{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    await database.aclose()

    assert await asyncio.gather(*waiting) == [f"store-{number}" for number in range(20)]
    with pytest.raises(DatabaseClosed):
        await database.write(Adding("late"))
