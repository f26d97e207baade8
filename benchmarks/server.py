"""A server of this checkout in a process of its own, on SQLite and a local store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
from attrs import define

from benchmarks.measured import Measured, timed
from scripts.demo.machine import free_port, worker_account
from scripts.demo.programs import Farm

MiB = 1 << 20


@define
class Server:
    """Where the server is, and how to talk to it."""

    farm: Farm
    key: str
    #: Seconds from its start to its first answer.
    started: float

    def session(self) -> aiohttp.ClientSession:
        """A client with the user's token."""
        timeout = aiohttp.ClientTimeout(total=None)
        return aiohttp.ClientSession(self.farm.url, headers={"Token": self.key}, timeout=timeout)

    def resident(self) -> float:
        """The memory that the server's process holds, in MiB."""
        return float(psutil.Process(self.farm.running[0].process.pid).memory_info().rss) / MiB


async def start_and_rest(server: Server) -> list[Measured]:
    """How soon it answers, and what it takes when nobody asks."""
    return [
        Measured("start to the first 200", server.started, "s"),
        Measured("resident when idle", server.resident(), "MiB"),
    ]


@contextmanager
def running_server(directory: Path, database: str | None = None) -> Iterator[Server]:
    """A fresh server with a user, gone with the block; on an empty PostgreSQL database when one is named."""
    farm = Farm(data=directory, account=worker_account(directory), port=free_port(0))
    if database is not None:
        farm.server_data.mkdir()
        (farm.server_data / "debusine.toml").write_text(f'database = "{database}"\n')
        farm.admin("migrate")
    try:
        with timed() as start:
            farm.start_server()
        farm.admin("user", "create", "bench")
        yield Server(farm, farm.admin("token", "create", "bench").strip(), start.seconds)
    finally:
        farm.stop()
