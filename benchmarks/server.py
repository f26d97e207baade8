"""A server of this checkout in a process of its own, on SQLite and a local store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
from attrs import define, field

from benchmarks.measured import Measured, timed
from scripts.demo.machine import free_port, worker_account
from scripts.demo.programs import Farm

MiB = 1 << 20


@define
class Server:
    """Where the server is, and how to talk to it."""

    farm: Farm
    key: str
    measured: list[Measured] = field(factory=list)

    def session(self) -> aiohttp.ClientSession:
        """A client with the user's token."""
        timeout = aiohttp.ClientTimeout(total=None)
        return aiohttp.ClientSession(self.farm.url, headers={"Token": self.key}, timeout=timeout)

    def resident(self) -> float:
        """The memory that the server's process holds, in MiB."""
        return float(psutil.Process(self.farm.running[0].process.pid).memory_info().rss) / MiB


@contextmanager
def running_server(directory: Path) -> Iterator[Server]:
    """A fresh server with a user, gone with the block."""
    farm = Farm(data=directory, account=worker_account(directory), port=free_port(0))
    try:
        with timed() as start:
            farm.start_server()
        farm.admin("user", "create", "bench")
        server = Server(farm, farm.admin("token", "create", "bench").strip())
        server.measured.append(Measured("start to the first 200", start.seconds, "s"))
        server.measured.append(Measured("resident when idle", server.resident(), "MiB"))
        yield server
    finally:
        farm.stop()
