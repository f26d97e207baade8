"""The target of the fuzzers: a real server in a process of its own, with people and things on it."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from attrs import frozen

from debusine.config import Settings
from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.db.schema import migrate
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import TokenKind
from debusine.plugin.manager import PluginManager
from debusine.services.configured_stores import close_all, configure, open_stores
from tests.farm import make_token, populate
from tests.server.filing import described
from tests.work import METADATA

API = "/api/1.0"
#: Seconds for a start and for an answer, on a machine that has other things to do.
PATIENCE = 240
WHOLE, PART = b"hello\n" * 2000, b"hello again\n" * 5000


@frozen(kw_only=True)
class Target:
    """Where the server is and what is on it."""

    process: Process
    host: str
    port: int
    #: Kind → key.
    keys: dict[str, str]
    #: A complete artifact and one with an open upload.
    artifact: int
    unfinished: int
    work_request: int
    #: Running at the worker.
    running: int
    data_dir: Path

    @property
    def url(self) -> str:
        """Where HTTP begins."""
        return f"http://{self.host}:{self.port}"

    async def report(self, command: str = "report") -> dict[str, Any]:
        """What the watch inside the server has seen."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(command.encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            while not (line := await stdout.readline()).startswith(b"{"):
                assert line, "the server has ended"
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def running_target(directory: Path, database: str | None = None) -> AsyncIterator[Target]:
    """Start a server on an empty database (none: SQLite), with one of everything; it is gone with the block."""
    data_dir = directory / "data"
    data_dir.mkdir()
    keys = await _populated(Settings(data_dir=data_dir, database=database))
    arguments = ["-m", "tests.fuzz.watched_server", str(data_dir), *([database] if database else [])]
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, cwd=root, env=_environment(), limit=1 << 20
    )
    try:
        host, port = await _address(process)
        things = await _furnished(f"http://{host}:{port}", keys)
        yield Target(process=process, host=host, port=port, keys=keys, data_dir=data_dir, **things)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DEBUSINE_")}


async def _populated(settings: Settings) -> dict[str, str]:
    url = settings.database or sqlite_url(settings.sqlite)
    await asyncio.to_thread(migrate, url)
    database = open_database(url)
    configured = configure(settings.all_stores, PluginManager.load().file_stores())
    try:
        await open_stores(configured, database)
        return await database.write(_people)
    finally:
        await close_all(configured)
        await database.aclose()


def _people(uow: UnitOfWork) -> dict[str, str]:
    people = populate(uow)
    user = people.user.id
    expired = make_token(uow, TokenKind.USER, user=user, expire_at=uow.now - timedelta(days=1))
    return {
        "user": people.user_key,
        "worker": people.worker_key,
        "disabled": make_token(uow, TokenKind.USER, user=user, enabled=False)[1],
        "expired": expired[1],
        "half": people.user_key[:32],
        "foreign": "x" * 64,
    }


async def _address(process: Process) -> tuple[str, int]:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while b" is ready on " not in (line := await process.stdout.readline()):
            assert line, "the server did not start"
    host, _, port = line.decode().strip().rpartition("/")[2].rpartition(":")
    return host, int(port)


async def _furnished(url: str, keys: dict[str, str]) -> dict[str, int]:
    user, worker = {"Token": keys["user"]}, {"Token": keys["worker"]}
    async with aiohttp.ClientSession(url) as session:

        async def ask(method: str, path: str, headers: dict[str, str], **options: Any) -> Any:
            async with session.request(method, f"{API}/{path}", headers=headers, **options) as answer:
                assert answer.ok, await answer.text()
                return await answer.json() if answer.content_type == "application/json" else None

        made = []
        for content in (WHOLE, PART):
            body = {"category": "debusine:test", "data": {}, "files": {"dir/file.txt": described(content)}}
            made.append((await ask("POST", "artifact/", user, json=body))["id"])
        await ask("PUT", f"artifact/{made[0]}/files/dir/file.txt/", user, data=WHOLE)
        first = user | {"Content-Range": f"bytes 0-999/{len(PART)}"}
        await ask("PUT", f"artifact/{made[1]}/files/dir/file.txt/", first, data=PART[:1000])
        await ask("PUT", "worker/dynamic-metadata/", worker, json=METADATA)
        requests = [(await ask("POST", "work-request/", user, json={"task_name": "noop"}))["id"] for _ in range(2)]
        async with session.ws_connect("/api/ws/1.0/worker/connect/", headers=worker) as socket:
            while (await socket.receive_json()).get("text") != "work_request_available":
                pass
            running = await ask("GET", "work-request/get-next-for-worker/", worker)
        waiting = next(number for number in requests if number != running["id"])
    return {"artifact": made[0], "unfinished": made[1], "work_request": waiting, "running": running["id"]}
