"""A worker in the test's own process, with tasks that need no tools."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from debusine.client import Access, Backoff, Client, Connection, WorkerClient
from debusine.domain.secrets import Secret
from debusine.plugin import Result, Task, TaskContext, TaskFailure
from debusine.tasks.noop import Noop
from debusine.worker.attempts import Attempts
from debusine.worker.daemon import Daemon
from debusine.worker.images import ImageCache
from debusine.worker.reports import Reports
from debusine.worker.workplace import Workplace
from tests.worker.fake_server import FakeServer, running_fake_server

RunTask = Callable[[TaskContext], Any]
StartWorker = Callable[..., AbstractAsyncContextManager[Daemon]]


@frozen(kw_only=True)
class ScriptedData:
    """Data of a task that does what a test wants."""

    answer: int = 0


class Scripted(Task[ScriptedData]):
    """Does what the test that runs wants."""

    name = "scripted"
    Data = ScriptedData
    script: RunTask

    async def run(self, context: TaskContext) -> Result:
        told = await type(self).script(context)
        return told if isinstance(told, Result) else Result.SUCCESS


class Refusing(Scripted):
    """Does not even begin."""

    name = "refusing"

    def __init__(self, data: ScriptedData, dynamic: Mapping[str, Any]) -> None:
        super().__init__(data, dynamic)
        message = "there is no answer"
        raise ValueError(message)


async def fail(_context: TaskContext) -> None:
    title = "The package is at fault"
    raise TaskFailure(title)


async def crash(_context: TaskContext) -> None:
    message = "a bug"
    raise RuntimeError(message)


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with running_fake_server() as server:
        yield server


@pytest.fixture
def start_worker(server: FakeServer, tmp_path: Path) -> StartWorker:
    """Start a worker that keeps its things below ``tmp_path``; it stops at the end of the block."""

    @asynccontextmanager
    async def start(script: RunTask = fail) -> AsyncIterator[Daemon]:
        class ThisScript(Scripted):
            pass

        ThisScript.script = staticmethod(script)
        tasks: dict[str, Any] = {"noop": Noop, "scripted": ThisScript, "refusing": Refusing}
        access = Access(api_url=f"{server.url}/api", token=Secret("t" * 64))
        workplace, reports = Workplace(tmp_path / "runs"), Reports(tmp_path / "reports")
        images = ImageCache(tmp_path / "images", 1 << 20)
        for place in (workplace, reports, images):
            place.prepare()
        quick, patient = Backoff(patience=0.05), Backoff(first=0.01, most=0.05, patience=30)
        async with Connection(access, backoff=quick) as impatient, Connection(access, backoff=patient) as persistent:
            attempts = Attempts(tasks=tasks, client=Client(persistent), workplace=workplace, images=images)
            daemon = Daemon(server=WorkerClient(impatient), attempts=attempts, reports=reports, delay=lambda: 0.02)
            running = asyncio.create_task(daemon.run())
            try:
                yield daemon
                if running.done():
                    running.result()
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                await workplace.finish(30.0)

    return start
