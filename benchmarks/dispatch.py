"""One dispatch: how long a pass of the scheduler for an idle worker takes, when few and when very many wait."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.backlog import DEMANDS, RUNNABLE, add_queues, analyze, let_wait
from benchmarks.figures import BACKLOGS
from benchmarks.measured import Measured
from benchmarks.medians import median
from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.scheduler.dispatch import Dispatcher
from tests.work import add_server, add_worker, dispatcher

ROUNDS = 60
WARM = 5


async def dispatch(url: str) -> list[Measured]:
    """Passes in this process, the commit included, before ever more that waits; no server has the database open."""
    async with opened(url) as database:
        user = await database.write(prepare)
        queues = await database.write(add_queues, user)
        times, already = [], 0
        for waiting in BACKLOGS:
            await database.write(let_wait, queues, already, waiting)
            await database.write(analyze)
            times.append(await time_of(database, waiting))
            already = waiting
    return [*(Measured(f"dispatch-{n}", each) for n, each in zip(BACKLOGS, times, strict=True)), flatness(times)]


async def time_of(database: Database, waiting: int) -> float:
    """The median of many passes, in milliseconds; each assigns one work request, which is then ended."""
    scheduler = dispatcher()
    rounds = min(ROUNDS, waiting // DEMANDS * RUNNABLE - WARM)
    took = [await one_pass(database, scheduler) for _ in range(rounds + WARM)]
    return median(took[WARM:]) * 1000


def flatness(times: Sequence[float]) -> Measured:
    """How far the backlogs lie apart."""
    return Measured("dispatch-flat", max(times) / min(times))


async def one_pass(database: Database, scheduler: Dispatcher) -> float:
    """Seconds of one pass."""
    began = time.perf_counter()
    await database.write(scheduler.assign_waiting_work)
    took = time.perf_counter() - began
    assert await database.write(abort_assigned) == 1
    return took


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, closed with the block."""
    database = open_database(url)
    try:
        yield database
    finally:
        await database.aclose()


def prepare(uow: UnitOfWork) -> int:
    """Connect a worker that can run some of the demands; returns the user whose work it is."""
    metadata = {"system:architectures": [f"arch{number}" for number in range(RUNNABLE)], "echo:version": 1}
    add_worker(uow, "builder", add_server(uow), metadata)
    user = uow.users.by_username("bench")
    assert user is not None
    return user.id


def abort_assigned(uow: UnitOfWork) -> int:
    """Make the worker idle again; returns how much was assigned to it."""
    assigned = [uow.work_requests.get(each.id) for each in uow.work_requests.in_hand()]
    for each in assigned:
        uow.work_requests.save(each.mark_aborted(at=uow.now), expecting=each)
    return len(assigned)
