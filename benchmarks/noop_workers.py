"""Workers that speak the protocol and do nothing: what is measured is the farm's own work."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from attrs import Factory, define

from benchmarks.server import Server, worker_keys

API = "/api/1.0"
SOCKET = "/api/ws/1.0/worker/connect/"
METADATA = {"system:worker_type": "external", "system:architectures": ["amd64"], "noop:version": 1}


@define
class NoopWorkers:
    """Some connected workers, and what they have done so far."""

    done: int = 0
    #: When a worker last began to report an end, by the clock of this process.
    reported: float = 0.0
    #: Seconds that the last such report took.
    report_took: float = 0.0
    #: When a worker last heard of work, by the clock of this process.
    heard: asyncio.Queue[float] = Factory(asyncio.Queue)
    progress: asyncio.Event = Factory(asyncio.Event)

    async def wait_until_done(self, number: int) -> None:
        """Wait for so many work requests to be completed."""
        while self.done < number:
            self.progress.clear()
            await self.progress.wait()

    async def work(self, session: aiohttp.ClientSession, ready: Callable[[], object]) -> None:
        """Be one worker."""
        async with session.ws_connect(SOCKET) as socket:
            async for message in socket:
                text = message.json().get("text")
                if text == "request_dynamic_metadata":
                    await _put(session, f"{API}/worker/dynamic-metadata/", METADATA)
                    ready()
                elif text == "work_request_available":
                    self.heard.put_nowait(time.perf_counter())
                    await self._fetch_and_complete(session)

    async def _fetch_and_complete(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{API}/work-request/get-next-for-worker/") as answer:
            if answer.status != 200:
                return
            handed = await answer.json()
        self.reported = time.perf_counter()
        await _put(session, f"{API}/work-request/{handed['id']}/completed/", {"result": "success"})
        self.report_took = time.perf_counter() - self.reported
        self.done += 1
        self.progress.set()


@asynccontextmanager
async def noop_workers(server: Server, count: int, name: str = "noop") -> AsyncIterator[NoopWorkers]:
    """Connect workers to a server; they are gone when the block ends."""
    keys = await worker_keys(server, [f"{name}{number}" for number in range(count)])
    workers, ready = NoopWorkers(), asyncio.Semaphore(0)
    sessions = [server.session(key) for key in keys]
    tasks = [asyncio.create_task(workers.work(session, ready.release)) for session in sessions]
    for _ in tasks:
        await ready.acquire()
    try:
        yield workers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in sessions:
            await session.close()


async def _put(session: aiohttp.ClientSession, path: str, body: object) -> None:
    async with session.put(path, json=body) as answer:
        assert answer.status in {200, 204}, await answer.text()
