"""A database without room: what only reads goes on, and when there is room again nothing needs an operator."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from debusine.db.database import Database
from debusine.db.engine import DatabaseFull
from debusine.server.beat import keep_beating
from debusine.server.keys import BACKGROUND, SERVER
from tests.farm import Farm
from tests.server.work_farm import API, FORGETFUL, becomes, hand_worker, open_work_farm, ready_worker, submit


@pytest.fixture
async def work_farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_work_farm(database, tmp_path, FORGETFUL) as farm:
        yield farm


async def refuse(*_: object, **__: object) -> None:
    raise DatabaseFull


async def test_a_server_lives_through_a_full_database_and_goes_on_assigning(
    work_farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = work_farm.client.app
    assert app is not None
    app[BACKGROUND].start("beat", keep_beating(work_farm.database, app[SERVER]))
    async with ready_worker(work_farm) as worker:
        lost = await submit(work_farm)
        await worker.until("work_request_available")
        await worker.get_next()
    with monkeypatch.context() as full:
        full.setattr(work_farm.database, "write", refuse)
        refused = await work_farm.post(f"{API}/work-request/", {"task_name": "echo", "task_data": {}})
        app[BACKGROUND].start("beat again", keep_beating(work_farm.database, app[SERVER]))
        await asyncio.sleep(FORGETFUL.worker_return + 4 * FORGETFUL.sweep)  # the timers want to write, too
        shown = await work_farm.get(f"{API}/work-request/{lost}/")

    assert (refused.status, shown.status) == (507, 200)
    assert not app[BACKGROUND].failed.is_set()
    assert (await becomes(work_farm, lost, "pending"))["attempt"] == 1


async def test_a_worker_that_leaves_a_full_database_is_forgotten_when_there_is_room(
    work_farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as full:
        async with ready_worker(work_farm) as worker:
            running = await submit(work_farm)
            await worker.until("work_request_available")
            await worker.get_next()
            full.setattr(work_farm.database, "write", refuse)
        await asyncio.sleep(2 * FORGETFUL.sweep)

    assert "Traceback" not in caplog.text
    assert (await becomes(work_farm, running, "pending"))["attempt"] == 1


async def test_a_worker_that_comes_while_the_database_takes_nothing_is_told_to_come_back(
    work_farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as full:
        full.setattr(work_farm.database, "write", refuse)
        async with hand_worker(work_farm) as worker:
            told = await worker.hear()
            closed = await worker.socket.receive()

    assert told == {"type": "connection_rejected", "reason": "Service unavailable"}
    assert closed.type is aiohttp.WSMsgType.CLOSE
    assert "Traceback" not in caplog.text
