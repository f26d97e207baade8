"""A fake server in a thread, and the program run against it with a real configuration file."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiohttp.test_utils import TestServer
from attrs import frozen
from click.testing import CliRunner, Result

from debusine.cli.main import debusine
from tests.client.fake_server import FakeServer

T = TypeVar("T")

TOKEN = "usertoken0123456789"


@frozen
class Farm:
    """A server, where it is, and the configuration file that names it."""

    server: FakeServer
    origin: str
    config: Path

    def run(self, *args: str | int | Path, stdin: str | None = None) -> Result:
        """Run the program; what it writes to both streams is kept apart."""
        argv = ["--config-file", str(self.config), *map(str, args)]
        return CliRunner().invoke(debusine, argv, input=stdin)


def write_config(path: Path, api_url: str, token: str = TOKEN) -> Path:
    """A configuration file with one server."""
    section = f"[server:local]\napi-url = {api_url}\nscope = debusine\ntoken = {token}\n"
    path.write_text(f"[General]\ndefault-server = local\n\n{section}")
    return path


@contextmanager
def serving(server: FakeServer) -> Iterator[str]:
    """Serve in a thread of its own, because each command runs a loop of its own; yields the origin."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def start() -> TestServer:
        started = TestServer(server.application(), host="127.0.0.1")
        await started.start_server()
        return started

    try:
        started = do(start())
        yield str(started.make_url("")).rstrip("/")
        do(started.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
