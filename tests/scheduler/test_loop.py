"""The scheduler's loop: woken by events, by time when a wake-up is lost, and never dead."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from debusine.db.database import Database
from debusine.domain.accounts import Subject
from debusine.domain.errors import Unavailable
from debusine.domain.events import AssignmentTakenBack, ChangedElsewhere
from debusine.scheduler.loop import Scheduler
from tests.work import Workshop, dispatcher

T = TypeVar("T")
#: Seconds between two passes without any event: longer than a test may wait.
LONG = 600.0
#: Seconds until what must happen has happened.
PATIENCE = 30.0


@asynccontextmanager
async def scheduling(database: Database, interval: float = LONG) -> AsyncIterator[Scheduler]:
    """A scheduler that runs; it ends in order."""
    scheduler = Scheduler(database, dispatcher(), interval=interval)
    task = asyncio.create_task(scheduler.run())
    yield scheduler
    scheduler.stop()
    async with asyncio.timeout(PATIENCE):
        await task


async def assigned(workshop: Workshop, work_request: int) -> int:
    """The worker that a work request is assigned to, soon."""
    async with asyncio.timeout(PATIENCE):
        while (worker := (await workshop.get(work_request)).worker) is None:
            await asyncio.sleep(0.005)
    return worker


def id_of(subject: Subject) -> int:
    """A worker's id."""
    assert subject.worker is not None
    return subject.worker.id


async def test_new_work_wakes_it(workshop: Workshop) -> None:
    worker = await workshop.worker()
    async with scheduling(workshop.database):
        request = await workshop.request()
        assert await assigned(workshop, request.id) == id_of(worker)


async def test_a_worker_that_connects_wakes_it(workshop: Workshop) -> None:
    worker = await workshop.worker(connected=False)
    async with scheduling(workshop.database):
        request = await workshop.request()
        await workshop.connect(worker)
        assert await assigned(workshop, request.id) == id_of(worker)


async def test_a_worker_that_gets_free_wakes_it(workshop: Workshop) -> None:
    worker = await workshop.worker()
    async with scheduling(workshop.database):
        first, second = await workshop.request(), await workshop.request()
        await assigned(workshop, first.id)
        await workshop.fetch(worker)
        await workshop.complete(worker, first.id)
        assert await assigned(workshop, second.id) == id_of(worker)


async def test_what_another_server_did_wakes_it(workshop: Workshop) -> None:
    worker = await workshop.worker()
    async with scheduling(workshop.database):
        await asyncio.sleep(0.05)
        request = await unheard(workshop)
        workshop.database.tell([ChangedElsewhere()])
        assert await assigned(workshop, request) == id_of(worker)


async def test_a_lost_wake_up_costs_one_interval(workshop: Workshop) -> None:
    worker = await workshop.worker()
    async with scheduling(workshop.database, interval=0.05):
        assert await assigned(workshop, await unheard(workshop)) == id_of(worker)


async def test_it_survives_a_database_that_is_away_for_a_while(workshop: Workshop) -> None:
    await workshop.worker()
    flaky = Flaky(workshop.database)
    async with scheduling(flaky, interval=0.02):
        await asyncio.sleep(0.05)
        request = await workshop.request()
        await assigned(workshop, request.id)
    assert flaky.failures == 0


async def test_a_worker_that_did_not_fetch_comes_last_until_it_shows_itself(workshop: Workshop) -> None:
    dead, alive = await workshop.worker("a-dead"), await workshop.worker("b-alive")
    async with scheduling(workshop.database):
        workshop.database.tell([AssignmentTakenBack(1, id_of(dead))])
        first = await workshop.request()
        assert await assigned(workshop, first.id) == id_of(alive)
        await workshop.fetch(alive)
        await workshop.complete(alive, first.id)
        await workshop.connect(dead)
        second = await workshop.request()
        assert await assigned(workshop, second.id) == id_of(dead)


async def unheard(workshop: Workshop) -> int:
    """Submit something whose event is lost."""
    listeners, workshop.database._listeners = workshop.database._listeners, []
    request = await workshop.request()
    await asyncio.sleep(0)
    workshop.database._listeners = listeners
    return request.id


class Flaky(Database):
    """A database that does not answer the first three times."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.failures = 3

    async def run_writing(self, function: Callable[..., T]) -> T:
        if self.failures:
            self.failures -= 1
            raise Unavailable("The database is away")
        return await self.database.run_writing(function)

    async def run_reading(self, function: Callable[..., T]) -> T:
        return await self.database.run_reading(function)

    async def count(self, function: Callable[..., T]) -> T:
        return await self.database.count(function)

    async def aclose(self) -> None:
        pass

    def subscribe(self, listener: Callable[[Any], None]) -> None:
        self.database.subscribe(listener)
