"""Somebody who watches completions, by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import orjson
from attrs import frozen

from debusine.db import tables
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand
from debusine.domain.work_requests import Result, Status
from debusine.services import endings
from tests.farm import Farm

ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"


@frozen
class HandWatcher:
    """A socket on which completions are told."""

    socket: aiohttp.ClientWebSocketResponse

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(30):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        heard: dict[str, Any] = orjson.loads(message.data)
        return heard

    async def hear_ids(self, count: int) -> list[int]:
        """The work requests of the next completions."""
        return [(await self.hear())["work_request_id"] for _ in range(count)]

    async def assert_hears(self, *work_requests: int) -> None:
        """Hear of exactly these, in this order."""
        assert await self.hear_ids(len(work_requests)) == list(work_requests)

    async def hear_end(self) -> int:
        """The code by which the server closes, after everything else was said."""
        async with asyncio.timeout(30):
            message = await self.socket.receive()
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}, message
        return int(self.socket.close_code or 0)


@asynccontextmanager
async def watching(farm: Farm, key: str | None = "", query: str = "", **headers: str) -> AsyncIterator[HandWatcher]:
    """Open a socket; ``key=None``: anonymously; nothing was heard yet."""
    sent = {**headers} if key is None else {"Token": key or farm.people.user_key, **headers}
    async with farm.client.ws_connect(ON_COMPLETED + query, headers=sent) as socket:
        yield HandWatcher(socket)


@asynccontextmanager
async def connected(farm: Farm, key: str | None = "", query: str = "") -> AsyncIterator[HandWatcher]:
    """Open a socket and hear that it is connected."""
    async with watching(farm, key, query) as watcher:
        assert await watcher.hear() == {"type": "websocket.send", "text": "connected"}
        yield watcher


def complete_one(
    uow: UnitOfWork, workspace: int, user: int, result: Result = Result.SUCCESS, at: datetime | None = None
) -> tuple[int, datetime]:
    """A work request that is completed now, as if a worker had reported it; its id and moment."""
    before = uow.work_requests.insert(
        workspace=workspace,
        created_by=user,
        created_at=uow.now,
        task_name="noop",
        task_data={},
        demand=uow.queues.demand_id(Demand(task_name="noop", version=1)),
        status=Status.RUNNING,
    )
    endings.complete(uow, before, before.mark_completed(result, attempt=0, at=uow.now))
    after = uow.work_requests.get(before.id)
    assert after.completed_at is not None
    if at is None:
        return after.id, after.completed_at
    row = tables.work_requests
    uow.connection.execute(row.update().where(row.c.id == after.id).values(completed_at=at))
    return after.id, at


async def complete(farm: Farm, workspace: int | None = None, **values: Any) -> tuple[int, datetime]:
    """Complete one at the farm, by default in the private workspace."""
    people = farm.people
    return await farm.database.write(complete_one, workspace or people.system.id, people.user.id, **values)
