"""Work requests: created, done, and told of."""

import asyncio
import statistics
import time

import aiohttp

from benchmarks.measured import Measured, each
from benchmarks.noop_workers import NoopWorkers, noop_workers
from benchmarks.server import Server, Work

WORKERS = 20
BODY = {"task_name": "noop", "task_data": {"result": True}, "event_reactions": {}}


async def create_work_requests(server: Server) -> list[Measured]:
    """Requests created, 16 at a time and alone; each is on the disk when it is answered."""
    together = await creating(server, count=2000, concurrency=16)
    alone = await creating(server, count=500, concurrency=1)
    return [*together.rate("create", 2000), Measured("create-alone", 500 / alone.seconds)]


async def do_work_requests(server: Server) -> list[Measured]:
    """Requests that go from their creation to their end through twenty workers, and how soon a worker hears."""
    async with noop_workers(server, WORKERS) as workers, server.session() as session:
        await through(session, workers, 200)  # until everything is warm
        with server.working() as work:
            await through(session, workers, 2000)
        seconds = [await until_heard(session, workers) for _ in range(100)]
    return [
        *work.rate("done", 2000),
        Measured("told", statistics.median(seconds) * 1000),
        Measured("told-worst", max(seconds) * 1000),
        Measured("told-memory", server.memory.peak()),
    ]


async def creating(server: Server, *, count: int, concurrency: int) -> Work:
    """What it takes to create so many."""
    async with server.session() as session:
        with server.working() as work:
            await each(lambda _: create(session), count=count, concurrency=concurrency)
    return work


async def through(session: aiohttp.ClientSession, workers: NoopWorkers, count: int) -> None:
    """Create so many, and wait until they are done."""
    already = workers.done
    await each(lambda _: create(session), count=count, concurrency=16)
    await workers.wait_until_done(already + count)


async def until_heard(session: aiohttp.ClientSession, workers: NoopWorkers) -> float:
    """Seconds from asking for a work request until a worker hears of it."""
    await asyncio.sleep(0.02)
    while not workers.heard.empty():
        workers.heard.get_nowait()
    already, began = workers.done, time.perf_counter()
    await create(session)
    heard = await workers.heard.get()
    await workers.wait_until_done(already + 1)
    return heard - began


async def create(session: aiohttp.ClientSession) -> None:
    """Ask for a no-op."""
    async with session.post("/api/1.0/work-request/", json=BODY) as answer:
        assert answer.status == 200, await answer.text()
