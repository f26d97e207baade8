"""Those who watch completions: how soon they hear, what they cost, and how fast they catch up."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import sqlalchemy as sa

from benchmarks.backlog import row
from benchmarks.measured import Measured, timed
from benchmarks.noop_workers import NoopWorkers, noop_workers
from benchmarks.server import Server
from benchmarks.work import create
from debusine.db import tables
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.completions import TICK
from debusine.domain.demands import Demand
from debusine.domain.work_requests import Result, Status

ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"
EVERYTHING = f"{ON_COMPLETED}?completed_at_since=2000-01-01T00:00:00Z"
WATCHERS = 1000
MISSED = 50_000
BATCH = 10_000


async def watch_completions(server: Server) -> list[Measured]:
    """One watcher, a thousand of them, and one who has missed very much."""
    async with noop_workers(server, 1) as workers, server.session() as session:
        async with watching(server, 1) as sockets:
            alone = [await until_told(session, workers, sockets) for _ in range(100)]
        before = server.memory.resident()
        async with watching(server, WATCHERS) as sockets:
            each = (server.memory.resident() - before) * 1000 / WATCHERS
            all_told = [await until_told(session, workers, sockets) for _ in range(10)]
        await complete_many(server, MISSED)
        server.memory.forget()
        with timed() as caught_up:
            await catch_up(session)
    return [
        Measured("watcher", statistics.median(alone) * 1000),
        Measured("watchers", statistics.median(all_told) * 1000),
        Measured("watcher-memory", each),
        Measured("missed", MISSED / caught_up.seconds),
        Measured("missed-memory", server.memory.peak()),
    ]


@asynccontextmanager
async def watching(server: Server, count: int) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    """So many sockets that are connected."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(server.session(connections=0))
        sockets = [await stack.enter_async_context(session.ws_connect(ON_COMPLETED)) for _ in range(count)]
        for socket in sockets:
            assert (await socket.receive_json())["text"] == "connected"
        yield sockets


async def until_told(
    session: aiohttp.ClientSession, workers: NoopWorkers, sockets: list[aiohttp.ClientWebSocketResponse]
) -> float:
    """Seconds from the worker's report of an end until all have heard of it."""
    hearing = asyncio.gather(*(socket.receive() for socket in sockets))
    await asyncio.sleep(0.02)
    await create(session)
    await hearing
    return time.perf_counter() - workers.reported


async def catch_up(session: aiohttp.ClientSession) -> None:
    """Hear of everything."""
    async with session.ws_connect(EVERYTHING) as socket:
        await socket.receive()
        for _ in range(MISSED):
            await socket.receive()


async def complete_many(server: Server, count: int) -> None:
    """Rows of completed work requests, put in beside the idle server."""
    database = open_database(server.database)
    for _ in range(0, count, BATCH):
        await database.write(complete_batch)
    await database.aclose()


def complete_batch(uow: UnitOfWork) -> None:
    """One batch of them."""
    workspace, user = uow.workspaces.default(), uow.users.by_username("bench")
    assert workspace is not None
    assert user is not None
    latest = uow.completions.frontier().latest or uow.now
    values = row(uow.now, uow.queues.demand_id(Demand(task_name="echo", version=1)), workspace.id, user.id)
    values |= {"status": Status.COMPLETED, "result": Result.SUCCESS, "attempt": 1}
    rows = [values | {"completed_at": latest + number * TICK} for number in range(1, BATCH + 1)]
    uow.connection.execute(sa.insert(tables.work_requests), rows)
