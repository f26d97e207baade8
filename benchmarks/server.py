"""A server of this checkout in a process of its own, measured from outside."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from attrs import define, field

from benchmarks.measured import Measured, Stopwatch, timed
from benchmarks.memory_meter import Curve, MemoryMeter
from benchmarks.results import POSTGRESQL, SQLITE
from debusine.config import Settings, read_settings
from debusine.db.engine import sqlite_url
from debusine.services.operator_socket import LINES
from scripts.demo.machine import free_port
from scripts.demo.programs import BIN, Background, ProgramFailed

MiB = 1 << 20
START_TIMEOUT = 60.0


@define
class Work(Stopwatch):
    """What a block took: seconds by the clock, and of the server's processor time."""

    processor: float = 0.0

    def rate(self, name: str, count: float) -> list[Measured]:
        """How many a second, and the processor time of each in milliseconds."""
        return [Measured(name, count / self.seconds), Measured(f"{name}-cost", self.processor / count * 1000)]


@define
class Server:
    """Where a server is, and how to talk to it."""

    data: Path
    port: int
    program: Background
    #: Seconds from its start to its first answer.
    started: float
    key: str = ""
    #: What it holds while a scenario runs.
    curve: Curve = field(factory=Curve)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """Its configuration."""
        return read_settings(data_dir=self.data)

    @property
    def database(self) -> str:
        """Its database's URL."""
        return self.settings.database or sqlite_url(self.settings.sqlite)

    @property
    def on(self) -> str:
        """The kind of its database."""
        return SQLITE if self.settings.database is None else POSTGRESQL

    @property
    def process(self) -> psutil.Process:
        """Its process."""
        return psutil.Process(self.program.process.pid)

    @property
    def memory(self) -> MemoryMeter:
        """What its process holds."""
        return MemoryMeter(self.program.process.pid)

    def session(self, key: str | None = None, *, connections: int = 100) -> aiohttp.ClientSession:
        """A client with the user's token, or with another one."""
        return aiohttp.ClientSession(
            self.url,
            headers={"Token": key or self.key},
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=connections),
        )

    @contextmanager
    def working(self) -> Iterator[Work]:
        """Measure a block, the server's processor time included."""
        work, before = Work(), self._processor()
        with timed() as watch:
            yield work
        work.seconds, work.processor = watch.seconds, self._processor() - before

    def begin(self, what: str) -> None:
        """Watch the memory's peak anew, and note in its curve what begins."""
        self.memory.forget()
        self.curve.mark(what)

    async def operate(self, command: str, **arguments: Any) -> Any:
        """Have the operator do something; by the socket, because a program for each would take half a second."""
        connector = aiohttp.UnixConnector(str(self.settings.admin_socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://operator/", json={"command": command, "arguments": arguments}) as answer,
        ):
            assert answer.status == 200, await answer.text()
            if answer.content_type != LINES:
                return await answer.json()
            last = json.loads((await answer.text()).splitlines()[-1])
            assert last["status"] == 200, last
            return last["result"]

    async def metrics(self) -> dict[str, float]:
        """What ``/metrics`` says: each sample with its labels, as it is written."""
        async with self.session() as session, session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def _processor(self) -> float:
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in family)


@asynccontextmanager
async def running_server(
    directory: Path, database: str | None = None, configuration: str = ""
) -> AsyncIterator[Server]:
    """A fresh server with a user, gone with the block; on a migrated PostgreSQL database when one is named."""
    data = directory / "server"
    data.mkdir(exist_ok=True)
    if database is not None:
        configuration = f'database = "{database}"\n{configuration}'
    if configuration:
        (data / "debusine.toml").write_text(configuration)
    with started(data) as server:
        await server.operate("user create", name="bench")
        server.key = (await server.operate("token create", user="bench"))["key"]
        yield server


@contextmanager
def started(data: Path) -> Iterator[Server]:
    """A server on a data directory that may be in use since long; it answers."""
    port = free_port(0)
    command = [str(BIN / "debusine-server"), "--data-dir", str(data), "--listen", f"127.0.0.1:{port}"]
    began = time.perf_counter()
    program = Background.start("debusine-server", command, log=data.parent / "server.log")
    try:
        wait_for_answer(port, program)
        yield Server(data=data, port=port, program=program, started=time.perf_counter() - began)
    finally:
        program.stop()


def wait_for_answer(port: int, program: Background) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + START_TIMEOUT
    while not answers(port):
        program.check()
        if time.monotonic() > deadline:
            raise ProgramFailed(program.name, "nothing answers at its address")
        time.sleep(0.005)


def answers(port: int) -> bool:
    """Whether a server is there and well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def start_and_rest(server: Server) -> list[Measured]:
    """How soon it answers, and what it takes when nobody asks."""
    await asyncio.sleep(1)
    return [
        Measured("start", server.started),
        Measured("idle", server.memory.resident()),
        Measured("processes", 1 + len(server.process.children(recursive=True))),
    ]


async def worker_keys(server: Server, names: Sequence[str]) -> list[str]:
    """The keys of new workers."""
    return [(await server.operate("worker create", fqdn=name))["key"] for name in names]
