"""One dispatch: how long a pass of the scheduler for an idle worker takes, when few and when very many wait."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks.backlog import RUNNABLE, add_queues, let_wait, settle
from benchmarks.measured import Measured
from benchmarks.medians import median
from debusine.db import tables
from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.db.work_requests import IN_HAND
from debusine.domain.work_requests import Status
from debusine.scheduler.dispatch import Dispatcher
from tests.work import add_server, add_worker, dispatcher

ROUNDS, WARM = 60, 5


async def dispatch(farms: Mapping[int, Database]) -> list[Measured]:
    """Passes in this process, the commit included, on databases in which ever more waits, in turn."""
    for waiting, database in farms.items():
        await database.write(let_many_wait, waiting)
    schedulers = [(database, dispatcher()) for database in farms.values()]
    took = [[await one_pass(*each) for each in schedulers] for _ in range(ROUNDS)]
    times = [median(each) * 1000 for each in zip(*took[WARM:], strict=True)]
    measured = [Measured(f"dispatch-{waiting}", each) for waiting, each in zip(farms, times, strict=True)]
    return [*measured, Measured("dispatch-flat", max(times) / min(times))]


async def one_pass(database: Database, scheduler: Dispatcher) -> float:
    """Seconds of one pass, which assigns one work request; then it waits again."""
    began = time.perf_counter()
    await database.write(scheduler.assign_waiting_work)
    took = time.perf_counter() - began
    assert await database.write(take_back) == 1
    return took


def let_many_wait(uow: UnitOfWork, waiting: int) -> None:
    """Fill the queues, and connect a worker that can serve some of them."""
    user = next(iter(uow.users.all()))
    let_wait(uow, add_queues(uow, user.id), waiting)
    metadata = {"system:architectures": [f"arch{number}" for number in range(RUNNABLE)], "echo:version": 1}
    add_worker(uow, "builder", add_server(uow, "benchmark"), metadata)
    settle(uow)


def take_back(uow: UnitOfWork) -> int:
    """Let wait again what is assigned; returns how much that was."""
    table = tables.work_requests
    # Through the index: to read everything for it would push the queues out of the writer's cache before each pass.
    assigned = table.update().where(IN_HAND, table.c.status == Status.PENDING)
    return uow.connection.execute(assigned.values(worker=None, assigned_at=None, dynamic_task_data=None)).rowcount


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, closed with the block."""
    database = open_database(url)
    try:
        yield database
    finally:
        await database.aclose()
