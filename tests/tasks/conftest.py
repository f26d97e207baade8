"""A real worker program that runs real tasks, as the user that it is made for."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.places import place
from tests.worker.fake_server import FakeArtifact, FakeServer, running_fake_server
from tests.worker.program import WorkerProgram


@pytest.fixture(scope="session")
def kept() -> dict[str, FakeArtifact]:
    """The environment that the first test made."""
    return {}


@pytest.fixture(scope="module")
def worker_home() -> Iterator[Path]:
    # Not below pytest's own directory, which is closed to other users.
    with place("builds", mode=0o711, parent=Path("/var/tmp")) as home:
        yield home


@pytest.fixture(scope="module")
def worker_program(worker_home: Path) -> WorkerProgram:
    program = WorkerProgram(worker_home)
    program.give_away()
    done = subprocess.run(program.command("--check"), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine cannot run Debian's tools: {done.stdout} {done.stderr}")
    return program


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with running_fake_server() as server:
        yield server


@pytest.fixture
async def worker(server: FakeServer, worker_program: WorkerProgram) -> AsyncIterator[asyncio.subprocess.Process]:
    worker_program.write_configuration(f"{server.url}/api", server.token)
    process = await asyncio.create_subprocess_exec(*worker_program.command(), start_new_session=True)
    connected = asyncio.create_task(server.until(lambda: server.metadata, 60))
    ended = asyncio.create_task(process.wait())
    await asyncio.wait([connected, ended], return_when=asyncio.FIRST_COMPLETED)
    assert not ended.done(), f"the worker ended with {process.returncode} before it began"
    await connected
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
