"""One dispatch: how long a worker waits for its assignment when few and when very many work requests wait."""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measured import Measured
from benchmarks.server import Server
from debusine.db import tables
from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.db.schema import migrate
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand, TaskType
from debusine.domain.work_requests import Result, Status
from debusine.scheduler.dispatch import Dispatcher
from tests.work import Workshop, add_worker, dispatcher, open_workshop

WAITING = (100, 10_000, 1_000_000)
#: The queues over which they spread, the same for all; the worker can run a fifth of them.
DEMANDS, WORKSPACES = 10, 10
RUNNABLE = 2
ROUNDS = 100
BATCH = 10_000


async def dispatch(_: Server) -> list[Measured]:
    """A pass of the scheduler for one idle worker, the commit included, on SQLite."""
    return [
        Measured(
            f"one dispatch, {waiting:,} waiting in up to {DEMANDS * WORKSPACES:,} queues", await time_of(waiting), "ms"
        )
        for waiting in WAITING
    ]


async def time_of(waiting: int) -> float:
    """The median of many passes, in milliseconds; each assigns one work request, which is then ended."""
    async with workshop_with(waiting) as workshop:
        scheduler = dispatcher()
        took = [await one_pass(workshop, scheduler) for _ in range(min(ROUNDS, waiting // DEMANDS * RUNNABLE))]
    return statistics.median(took) * 1000


async def one_pass(workshop: Workshop, scheduler: Dispatcher) -> float:
    """Seconds of one pass."""
    began = time.perf_counter()
    await workshop.database.write(scheduler.assign_waiting_work)
    took = time.perf_counter() - began
    assert await workshop.database.write(abort_assigned) == 1
    return took


@asynccontextmanager
async def workshop_with(waiting: int) -> AsyncIterator[Workshop]:
    """A database in which so many work requests wait, and one worker that can run a fifth of them."""
    with tempfile.TemporaryDirectory(prefix="debusine-bench-") as directory:
        url = sqlite_url(Path(directory) / "debusine.sqlite")
        migrate(url)
        database = open_database(url)
        workshop = await open_workshop(database)
        metadata = {"system:architectures": [f"arch{number}" for number in range(RUNNABLE)], "echo:version": 1}
        await database.write(add_worker, "builder", workshop.server, metadata)
        queues = await database.write(add_queues, workshop)
        for start in range(0, waiting, BATCH):
            await database.write(add_waiting, queues, start, min(start + BATCH, waiting))
        yield workshop
        await database.aclose()


def add_queues(uow: UnitOfWork, workshop: Workshop) -> list[dict[str, Any]]:
    """The values in which the work requests of each queue are alike."""
    assert workshop.user.user is not None
    demands = [uow.queues.demand_id(demand(number)) for number in range(DEMANDS)]
    return [
        row(uow.now, demand_id, workspace, workshop.user.user.id)
        for workspace in add_workspaces(uow, workshop)
        for demand_id in demands
    ]


def add_workspaces(uow: UnitOfWork, workshop: Workshop) -> Iterator[int]:
    """Make the workspaces."""
    for number in range(WORKSPACES):
        store = workshop.workspace.default_file_store
        values = {"public": False, "default_expiration_delay": None, "default_file_store": store}
        yield uow.workspaces.insert(name=f"room{number}", **values).id


def demand(number: int) -> Demand:
    """One of the demands."""
    return Demand(task_name="echo", version=1, architecture=f"arch{number}")


def row(at: datetime, demand_id: int, workspace: int, user: int) -> dict[str, Any]:
    """A work request that waits."""
    return {
        "workspace": workspace,
        "created_by": user,
        "created_at": at,
        "task_type": TaskType.WORKER,
        "task_name": "echo",
        "task_data": {},
        "inputs": (),
        "demand": demand_id,
        "status": Status.PENDING,
        "result": Result.NONE,
        "attempt": 0,
        "priority_base": 0,
        "priority_adjustment": 0,
        "priority": 0,
        "event_reactions": {},
        "workflow_data": {},
        "timeout": 60,
    }


def add_waiting(uow: UnitOfWork, queues: list[dict[str, Any]], start: int, stop: int) -> None:
    """Let work requests wait, evenly over the queues."""
    uow.connection.execute(
        sa.insert(tables.work_requests), [queues[number % len(queues)] for number in range(start, stop)]
    )


def abort_assigned(uow: UnitOfWork) -> int:
    """Make the worker idle again; returns how much was assigned to it."""
    assigned = [uow.work_requests.get(each.id) for each in uow.work_requests.in_hand()]
    for each in assigned:
        uow.work_requests.save(each.mark_aborted(at=uow.now), expecting=each)
    return len(assigned)
