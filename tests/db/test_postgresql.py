"""What only a database shared by several servers can do to a transaction."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import sqlalchemy as sa

from debusine.db import bell, engine
from debusine.db.engine import DatabaseUnreachable, DatabaseUnwilling, normal_url
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.domain.events import ChangedElsewhere, Event, WorkerChanged
from tests.postgresql import PostgreSQLServer


@pytest.fixture
async def database(postgresql_server: PostgreSQLServer, postgresql_template: str) -> AsyncIterator[PostgreSQLDatabase]:
    url = postgresql_server.create_database(template=postgresql_template)
    opened = PostgreSQLDatabase(normal_url(url))
    yield opened
    await opened.aclose()
    postgresql_server.discard_database(url)


class Flaky:
    """A function that meets a fault of the database on its first runs."""

    def __init__(self, failures: int, fault: str) -> None:
        self.failures = failures
        self.fault = fault
        self.runs = 0

    def __call__(self, uow: UnitOfWork) -> int:
        self.runs += 1
        uow.file_stores.insert(name="store", backend="local", configuration={})
        if self.runs <= self.failures:
            uow.connection.execute(sa.text(self.fault))
        return self.runs


#: Seconds until what must happen has happened.
PATIENCE = 30.0
SERIALIZATION = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"
DISCONNECT = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("fault", [SERIALIZATION, DISCONNECT])
async def test_a_transaction_that_fell_victim_before_its_commit_runs_again(
    database: PostgreSQLDatabase, fault: str
) -> None:
    function = Flaky(2, fault)

    assert await database.write(function) == 3
    count = await database.read(
        lambda uow: uow.connection.execute(sa.text("SELECT count(*) FROM file_stores")).scalar()
    )
    assert count == 1


async def test_a_fault_that_stays_ends_with_an_error_after_a_few_runs(database: PostgreSQLDatabase) -> None:
    function = Flaky(100, DISCONNECT)

    with pytest.raises(DatabaseUnreachable):
        await database.write(function)
    assert function.runs == 5


def raising(state: str) -> str:
    """What makes PostgreSQL say that something of this state has happened."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'; END $$"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40001", DatabaseUnwilling),  # serialization failure
        ("40P01", DatabaseUnwilling),  # deadlock
        ("53200", DatabaseUnwilling),  # out of memory
        ("53300", DatabaseUnwilling),  # too many connections
        ("55P03", DatabaseUnwilling),  # a lock could not be had
        ("57014", DatabaseUnwilling),  # cancelled by the operator, or by a time limit
        ("58030", DatabaseUnwilling),  # input/output error
        ("08006", DatabaseUnreachable),  # the connection failed
        ("25P03", DatabaseUnreachable),  # idle in a transaction for too long
        ("57P01", DatabaseUnreachable),  # shut down by the operator
        ("57P03", DatabaseUnreachable),  # it is just starting
    ],
)
async def test_what_passes_and_is_no_fault_of_ours_is_called_unavailable(
    database: PostgreSQLDatabase, state: str, kind: type[Unavailable]
) -> None:
    for run in (database.write, database.read):
        with pytest.raises(kind) as caught:
            await run(lambda uow: uow.connection.execute(sa.text(raising(state))))
        assert caught.value.detail == "so it is"


async def test_a_database_that_is_only_read_is_unavailable_for_changes(database: PostgreSQLDatabase) -> None:
    def change(uow: UnitOfWork) -> None:
        uow.connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        uow.file_stores.insert(name="store", backend="local", configuration={})

    with pytest.raises(DatabaseUnwilling, match="read-only"):
        await database.write(change)


async def test_an_error_of_the_statement_stays_what_it_is(database: PostgreSQLDatabase) -> None:
    with pytest.raises(sa.exc.DataError):
        await database.write(lambda uow: uow.connection.execute(sa.text("SELECT 1 / 0")))


async def test_who_may_not_connect_any_more_hears_that_the_database_is_unreachable(
    postgresql_server: PostgreSQLServer, postgresql_template: str
) -> None:
    url = postgresql_server.create_database(template=postgresql_template)
    admin = PostgreSQLDatabase(normal_url(postgresql_server.url("postgres")))
    database = PostgreSQLDatabase(normal_url(f"{url}&connect_timeout=2"))
    name = sa.make_url(url).database
    await admin.write(lambda uow: uow.connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")))
    for run in (database.write, database.read):
        with pytest.raises(DatabaseUnreachable):
            await run(lambda uow: uow.file_stores.all())
    await database.aclose()
    await admin.aclose()
    postgresql_server.discard_database(url)


async def test_a_frozen_server_holds_nobody_back_for_longer_than_a_minute(database: PostgreSQLDatabase) -> None:
    setting = await database.write(
        lambda uow: uow.connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar()
    )

    assert setting == "1min"


async def test_what_a_frozen_server_had_begun_is_undone_and_done_again_when_it_goes_on(
    postgresql_server: PostgreSQLServer, postgresql_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = normal_url(postgresql_server.create_database(template=postgresql_template))
    monkeypatch.setattr(engine, "IDLE_IN_TRANSACTION", 0.05)
    frozen = PostgreSQLDatabase(url)
    monkeypatch.undo()
    other = PostgreSQLDatabase(url)
    completing, thawed = asyncio.Event(), threading.Event()
    loop, runs = asyncio.get_running_loop(), []

    def complete(uow: UnitOfWork) -> int:
        uow.completions.moment(uow.now)
        runs.append(uow.now)
        if len(runs) == 1:
            loop.call_soon_threadsafe(completing.set)
            assert thawed.wait(PATIENCE)
        return uow.file_stores.insert(name="store", backend="local", configuration={}).id

    writing = asyncio.create_task(frozen.write(complete))
    await completing.wait()
    async with asyncio.timeout(PATIENCE):
        while await other.read(announcements):
            await asyncio.sleep(0.01)
    thawed.set()

    assert await writing
    assert len(runs) > 1  # more than twice where the machine stands still in between
    assert await other.read(lambda uow: len(uow.file_stores.all())) == 1
    await frozen.aclose()
    await other.aclose()


def announcements(uow: UnitOfWork) -> int:
    """How many transactions hold back what watchers are told."""
    held = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    here = "locktype = 'advisory' AND datname = current_database()"
    return int(uow.connection.execute(sa.text(f"{held} WHERE {here}")).scalar_one())


async def test_a_commit_that_nobody_answered_is_an_unreachable_database(database: PostgreSQLDatabase) -> None:
    def hang_up(uow: UnitOfWork) -> None:
        uow.connection.execute(sa.text("SELECT 1"))
        uow.connection.connection.driver_connection.close()  # type: ignore[union-attr]

    with pytest.raises(DatabaseUnreachable):
        await database.write(hang_up)


async def test_a_reader_whose_connection_has_died_gets_another(database: PostgreSQLDatabase) -> None:
    own = "SELECT pg_backend_pid()"
    victim = await database.read(lambda uow: uow.connection.execute(sa.text(own)).scalar_one())
    kill = sa.text("SELECT pg_terminate_backend(:victim)")
    await database.write(lambda uow: uow.connection.execute(kill, {"victim": victim}))

    assert await database.read(lambda uow: uow.connection.execute(sa.text(own)).scalar_one()) != victim


async def test_commits_are_durable_whatever_the_server_says(database: PostgreSQLDatabase) -> None:
    setting = await database.read(lambda uow: uow.connection.execute(sa.text("SHOW synchronous_commit")).scalar())

    assert setting == "on"


async def test_events_are_told_although_the_caller_has_gone(database: PostgreSQLDatabase) -> None:
    told: list[Event] = []
    database.subscribe(told.extend)
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(uow: UnitOfWork) -> None:
        loop.call_soon_threadsafe(started.set)
        uow.connection.execute(sa.text("SELECT pg_sleep(0.05)"))
        uow.publish(WorkerChanged(1))

    caller = asyncio.create_task(database.write(slow))
    await started.wait()
    caller.cancel()
    await until(lambda: WorkerChanged(1) in told)

    assert caller.cancelled()
    assert told.count(WorkerChanged(1)) == 1


async def test_a_server_hears_that_another_has_committed_something(
    postgresql_server: PostgreSQLServer, postgresql_template: str
) -> None:
    url = normal_url(postgresql_server.create_database(template=postgresql_template))
    one, other = PostgreSQLDatabase(url), PostgreSQLDatabase(url)
    heard: dict[str, list[Event]] = {"one": [], "other": []}
    one.subscribe(heard["one"].extend)
    other.subscribe(heard["other"].extend)
    await until(lambda: all(heard.values()))  # both listen now
    await asyncio.sleep(0.05)
    for events in heard.values():
        events.clear()
    await one.write(lambda uow: uow.publish(WorkerChanged(1)))
    await until(lambda: heard["other"] == [ChangedElsewhere()])
    heard_by_itself = list(heard["one"])
    await other.aclose()
    await one.aclose()

    assert heard_by_itself == [WorkerChanged(1)]


async def test_the_bell_rings_again_after_the_connections_of_both_ends_were_cut(
    postgresql_server: PostgreSQLServer, postgresql_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bell, "RETRY", 0.01)
    url = normal_url(postgresql_server.create_database(template=postgresql_template))
    one, other = PostgreSQLDatabase(url), PostgreSQLDatabase(url)
    heard: list[Event] = []
    other.subscribe(heard.extend)
    await until(lambda: bool(heard))
    for _ in range(2):
        heard.clear()  # before the cut: it may listen again before this one's answer is here
        await one.write(lambda uow: uow.connection.execute(CUT_BELLS))
        await until(lambda: bool(heard))  # it listens again
    await asyncio.sleep(0.1)
    heard.clear()
    async with asyncio.timeout(PATIENCE):
        while not heard:  # the ringer finds its connection gone at the first one
            await one.write(lambda uow: uow.publish(WorkerChanged(1)))
            await asyncio.sleep(0.05)

    assert set(heard) == {ChangedElsewhere()}
    await one.aclose()
    await other.aclose()


CUT_BELLS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query LIKE 'NOTIFY%')"
)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.005)
