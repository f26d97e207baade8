"""Background tasks and the servers' signs of life."""

import asyncio
import logging
from datetime import timedelta

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.servers import DEAD_AFTER
from debusine.server.background import running_background
from debusine.server.beat import announced, keep_beating
from debusine.services import servers
from debusine.services.servers import TakenForDead
from tests.farm import make_worker


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise KeyError("lost")


async def test_a_task_that_fails_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    async with running_background() as background:
        background.start("the sweeper", fail())
        await asyncio.wait_for(background.failed.wait(), 30)

    assert "the sweeper" in caplog.text
    assert "lost" in caplog.text


async def test_tasks_are_stopped_at_the_end_without_a_complaint(caplog: pytest.LogCaptureFixture) -> None:
    async with running_background() as background:
        task = background.start("sleeper", forever())
        await asyncio.sleep(0)

    assert task.cancelled()
    assert not background.failed.is_set()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_task_that_ends_by_itself_is_no_failure() -> None:
    async with running_background() as background:
        await background.start("quick", asyncio.sleep(0))

        assert not background.failed.is_set()


async def ids(database: Database) -> list[int]:
    return await database.read(lambda uow: uow.servers.ids())


async def test_a_server_is_on_the_list_while_it_runs(database: Database) -> None:
    async with announced(database, alone=False) as server:
        assert await ids(database) == [server]

    assert await ids(database) == []


async def test_the_only_server_takes_all_others_for_ended(database: Database) -> None:
    await database.write(servers.announce, "killed", alone=False)

    async with announced(database, alone=True) as server:
        assert await ids(database) == [server]


def silence(uow: UnitOfWork, server: int) -> None:
    """Let a server's last sign of life be too long ago."""
    row = uow.servers.get(server)
    uow.servers.save(evolve(row, beat_at=row.beat_at - DEAD_AFTER - timedelta(seconds=2)), expecting=row)


async def test_a_silent_server_is_buried_and_its_workers_are_freed(database: Database) -> None:
    dead = await database.write(servers.announce, "dead", alone=False)
    alive = await database.write(servers.announce, "alive", alone=False)
    for name, server in (("w1", dead), ("w2", alive)):
        await database.write(connect, name, server.id)
    await database.write(silence, dead.id)

    await database.write(servers.beat, alive.id)

    assert await ids(database) == [alive.id]
    connected = await database.read(lambda uow: [worker.name for worker in uow.workers.connected()])
    assert connected == ["w2"]


def connect(uow: UnitOfWork, name: str, server: int) -> None:
    worker = make_worker(uow, name)[0]
    uow.workers.save(worker.mark_connected(at=uow.now, server=server), expecting=worker)


async def test_a_living_server_is_left_alone(database: Database) -> None:
    first = await database.write(servers.announce, "first", alone=False)
    second = await database.write(servers.announce, "second", alone=False)

    await database.write(servers.beat, second.id)

    assert await ids(database) == [first.id, second.id]


async def test_who_was_taken_for_dead_hears_of_it(database: Database) -> None:
    buried = await database.write(servers.announce, "buried", alone=False)
    await database.write(servers.leave, buried.id)

    with pytest.raises(TakenForDead):
        await keep_beating(database, buried.id)


async def test_names_of_processes_differ() -> None:
    assert servers.own_name() != servers.own_name()


async def test_after_an_outage_of_the_database_no_server_takes_another_one_for_dead(database: Database) -> None:
    one = await database.write(servers.announce, "one", alone=False)
    other = await database.write(servers.announce, "other", alone=False)
    for server in (one, other):
        await database.write(silence, server.id)

    await database.write(servers.beat, one.id)
    await database.write(servers.beat, other.id)

    assert await ids(database) == [one.id, other.id]
