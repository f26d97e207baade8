"""Work requests: created, done, and told of."""

import asyncio
import statistics
import time

import aiohttp

from benchmarks.measured import Measured, each, timed
from benchmarks.noop_workers import NoopWorkers, noop_workers
from benchmarks.server import Server

WORKERS = 20
BODY = {"task_name": "noop", "task_data": {"result": True}, "event_reactions": {}}


async def create_work_requests(server: Server) -> list[Measured]:
    """Requests created, 16 at a time and alone; each is on the disk when it is answered."""
    return [
        Measured("work requests created, 16 at a time", await rate(server, count=2000, concurrency=16), "/s"),
        Measured("work requests created, one at a time", await rate(server, count=500, concurrency=1), "/s"),
    ]


async def do_work_requests(server: Server) -> list[Measured]:
    """Requests that go from their creation to their end through twenty workers, and how soon a worker hears."""
    async with noop_workers(server, WORKERS) as workers, server.session() as session:
        await through(session, workers, 200)  # until everything is warm
        done = await through(session, workers, 2000)
        seconds = [await until_heard(session, workers) for _ in range(100)]
    median = statistics.median(seconds) * 1000
    return [
        Measured(f"created and done, {WORKERS} workers, 16 creators", done, "/s"),
        Measured("created until a worker is told, median when idle", median, "ms"),
    ]


async def rate(server: Server, *, count: int, concurrency: int) -> float:
    """Requests created in a second."""
    async with server.session() as session:
        with timed() as created:
            await each(lambda _: create(session), count=count, concurrency=concurrency)
    return count / created.seconds


async def through(session: aiohttp.ClientSession, workers: NoopWorkers, count: int) -> float:
    """Requests created and done in a second."""
    already = workers.done
    with timed() as all_done:
        await each(lambda _: create(session), count=count, concurrency=16)
        await workers.wait_until_done(already + count)
    return count / all_done.seconds


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
