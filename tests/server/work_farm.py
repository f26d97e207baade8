"""A farm on which work goes round quickly, and a worker that speaks the protocol by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from attrs import evolve, frozen
from debusine_filestore_local.backend import LocalFileStore

from debusine.config import Limits
from debusine.db.database import Database
from debusine.scheduler.fifo import Fifo
from debusine.testing import plugin_manager
from tests.farm import Farm, open_farm
from tests.work import METADATA, Echo

API = "/api/1.0"
SOCKET = "/api/ws/1.0/worker/connect/"

#: Seconds until what must happen has happened, on however slow a machine.
PATIENCE = 30.0
#: The server looks often, so that what should happen does so soon, and takes nobody's silence amiss: a machine that
#: stands still for seconds loses no worker.
PATIENT = Limits(heartbeat=60, worker_return=60, restart_return=60, assignment=60, overtime=60, sweep=0.05)
#: Whoever leaves is lost at once.
FORGETFUL = evolve(PATIENT, worker_return=0.05, restart_return=0.05)


@asynccontextmanager
async def open_work_farm(database: Database, directory: Path, limits: Limits = PATIENT) -> AsyncIterator[Farm]:
    """A farm with the task ``echo``."""
    plugins = plugin_manager(file_stores=[LocalFileStore], scheduler_policies=[Fifo], tasks=[Echo])
    async with open_farm(database, directory, plugins=plugins, limits=limits) as farm:
        yield farm


@frozen
class HandWorker:
    """A worker by hand: what it says and hears is in the test."""

    farm: Farm
    key: str
    socket: aiohttp.ClientWebSocketResponse

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        heard: dict[str, Any] = orjson.loads(message.data)
        return heard

    async def hear_text(self) -> str:
        """The ``text`` of the next message."""
        return str((await self.hear())["text"])

    async def until(self, text: str) -> None:
        """Listen until a message has this text."""
        while await self.hear_text() != text:
            pass

    async def tell_metadata(self, metadata: Mapping[str, Any] = METADATA) -> None:
        """PUT what it can do."""
        answer = await self.farm.put(f"{API}/worker/dynamic-metadata/", json=metadata, key=self.key)
        assert (answer.status, answer.body) == (204, b"")

    async def get_next(self, **options: Any) -> dict[str, Any] | None:
        """Ask for work."""
        answer = await self.farm.get(f"{API}/work-request/get-next-for-worker/", key=self.key, **options)
        assert answer.status in {200, 204}, answer
        return answer.json() if answer.status == 200 else None

    async def complete(self, work_request: int, result: str = "success", **options: Any) -> int:
        """Report, and return the status."""
        path = f"{API}/work-request/{work_request}/completed/"
        answer = await self.farm.put(path, json={"result": result}, key=self.key, **options)
        assert answer.status != 200 or answer.body == b""
        return answer.status


@asynccontextmanager
async def hand_worker(farm: Farm, key: str | None = None, **headers: str) -> AsyncIterator[HandWorker]:
    """Connect a worker."""
    key = key or farm.people.worker_key
    async with farm.client.ws_connect(SOCKET, headers={"token": key, **headers}) as socket:
        yield HandWorker(farm, key, socket)


@asynccontextmanager
async def ready_worker(farm: Farm, key: str | None = None, **headers: str) -> AsyncIterator[HandWorker]:
    """Connect a worker that can run ``echo`` and has said so."""
    async with hand_worker(farm, key, **headers) as worker:
        await worker.until("request_dynamic_metadata")
        await worker.tell_metadata()
        yield worker


async def submit(farm: Farm, **task_data: Any) -> int:
    """POST a work request and return its id."""
    answer = await farm.post(f"{API}/work-request/", {"task_name": "echo", "task_data": task_data})
    assert answer.status == 200, answer
    return int(answer.json()["id"])


async def status_of(farm: Farm, work_request: int) -> tuple[str, str]:
    """Status and result."""
    shown = (await farm.get(f"{API}/work-request/{work_request}/")).json()
    return shown["status"], shown["result"]


async def becomes(farm: Farm, work_request: int, status: str) -> dict[str, Any]:
    """Wait until a work request has a status."""
    async with asyncio.timeout(PATIENCE):
        while (shown := (await farm.get(f"{API}/work-request/{work_request}/")).json())["status"] != status:
            await asyncio.sleep(0.01)
    return dict(shown)
