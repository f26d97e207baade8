"""Those who watch completions: how soon they hear, what they cost, and how fast they catch up."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import sqlalchemy as sa

from benchmarks.dispatch import row
from benchmarks.measured import Measured, timed
from benchmarks.noop_workers import NoopWorkers, noop_workers
from benchmarks.server import Server
from benchmarks.work import create
from debusine.config import read_settings
from debusine.db import tables
from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.completions import TICK
from debusine.domain.demands import Demand
from debusine.domain.work_requests import Result, Status

ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"
EVERYTHING = f"{ON_COMPLETED}?completed_at_since=2000-01-01T00:00:00Z"
WATCHERS = 1000
MISSED = 100_000
BATCH = 10_000


async def watch_completions(server: Server) -> list[Measured]:
    """One watcher, a thousand of them, and one who has missed very much."""
    async with noop_workers(server, 1) as workers, server.session() as session:
        async with watching(session, 1) as sockets:
            alone = [await until_told(session, workers, sockets) for _ in range(200)]
        before = server.resident()
        async with watching(session, WATCHERS) as sockets:
            each = (server.resident() - before) * 1024 / WATCHERS
            all_told = [await until_told(session, workers, sockets) for _ in range(20)]
        await complete_many(server, MISSED)
        before = server.resident()
        with timed() as caught_up:
            await catch_up(session)
        grown = server.resident() - before
    return [
        Measured("reported until a watcher is told, median", statistics.median(alone) * 1000, "ms"),
        Measured("reported until a watcher is told, worst of 200", max(alone) * 1000, "ms"),
        Measured(f"reported until {WATCHERS:,} watchers are told, median", statistics.median(all_told) * 1000, "ms"),
        Measured("memory of one watcher at the server", each, "KiB"),
        Measured(f"{MISSED:,} missed completions told", caught_up.seconds, "s"),
        Measured("memory that this took at the server", grown, "MiB"),
    ]


@asynccontextmanager
async def watching(session: aiohttp.ClientSession, count: int) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    """So many sockets that are connected."""
    connector = aiohttp.TCPConnector(limit=0)
    async with AsyncExitStack() as stack:
        many = await stack.enter_async_context(
            aiohttp.ClientSession(session._base_url, headers=session.headers, connector=connector)  # noqa: SLF001
        )
        sockets = [await stack.enter_async_context(many.ws_connect(ON_COMPLETED)) for _ in range(count)]
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
    settings = read_settings(data_dir=server.farm.server_data)
    database = open_database(settings.database or sqlite_url(settings.sqlite))
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
