"""Workers on the wire: they connect, hear of work, fetch it, report; and they vanish and come back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import ChangedElsewhere, TokenDisabled
from debusine.domain.workers import Worker
from debusine.server.sockets.workers import WORKER_SOCKETS
from debusine.services import workers
from tests.farm import Farm, make_worker
from tests.server.work_farm import (
    FORGETFUL,
    PATIENCE,
    PATIENT,
    SOCKET,
    becomes,
    hand_worker,
    open_work_farm,
    ready_worker,
    status_of,
    submit,
)
from tests.work import add_server, dispatcher


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm that looks often and is patient."""
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


async def test_a_worker_hears_of_work_fetches_it_and_reports(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        assert await worker.hear() == {"type": "websocket.send", "text": "connected"}
        assert await worker.hear() == {"type": "websocket.send", "text": "request_dynamic_metadata"}
        await worker.tell_metadata()
        id_ = await submit(farm)
        assert await worker.hear() == {"type": "websocket.send", "text": "work_request_available"}

        handed = await worker.get_next()

        assert handed is not None
        assert (handed["id"], handed["task_name"], handed["attempt"], handed["workspace"]) == (id_, "echo", 1, "System")
        assert handed["dynamic_task_data"] == {"input_id": None, "others_ids": []}
        assert await status_of(farm, id_) == ("running", "")
        assert await worker.complete(id_) == 200
        assert await status_of(farm, id_) == ("completed", "success")


async def test_work_that_was_there_before_the_worker_is_told_once_it_says_what_it_can_do(farm: Farm) -> None:
    id_ = await submit(farm)

    async with ready_worker(farm) as worker:
        await worker.until("work_request_available")
        handed = await worker.get_next()

    assert handed is not None
    assert handed["id"] == id_


@pytest.mark.parametrize("key", ["unknown", "user"])
async def test_whoever_is_no_enabled_worker_is_accepted_and_told_why_not(farm: Farm, key: str) -> None:
    token = farm.people.user_key if key == "user" else key
    async with hand_worker(farm, token) as worker:
        told = await worker.hear()
        assert (told["type"], told["reason_code"]) == ("connection_rejected", "TOKEN_DISABLED")
        assert (await worker.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_worker_is_told_when_its_token_is_disabled(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        await farm.database.write(disable, farm.people.worker, tell=True)
        told = await worker.hear()
        assert (told["type"], told["reason_code"]) == ("connection_closed", "TOKEN_DISABLED")
        assert (await worker.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_token_that_another_process_disabled_is_noticed_at_the_next_sweep(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        await farm.database.write(disable, farm.people.worker, tell=False)
        assert (await worker.hear())["reason_code"] == "TOKEN_DISABLED"


async def test_a_newer_socket_of_the_same_worker_closes_the_older_one(farm: Farm) -> None:
    async with ready_worker(farm) as older, ready_worker(farm) as newer:
        assert (await older.hear())["type"] == "connection_closed"
        id_ = await submit(farm)
        await newer.until("work_request_available")
        handed = await newer.get_next()
    assert handed is not None
    assert handed["id"] == id_


async def test_an_older_socket_is_closed_when_the_worker_has_connected_to_another_server(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        elsewhere = await farm.database.write(add_server, "elsewhere")
        await farm.database.write(workers.connect, farm.people.worker.id, elsewhere, None)
        assert (await worker.hear())["type"] == "connection_closed"
    assert await is_connected(farm)


async def test_work_is_told_again_until_it_is_fetched(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        await submit(farm)
        for _ in range(3):
            await worker.until("work_request_available")
        assert await worker.get_next() is not None


async def test_a_foreign_worker_that_restarts_is_told_to_ask_and_begins_a_second_attempt(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()

    async with hand_worker(farm) as worker:
        await worker.until("work_request_available")
        assert await worker.get_next() is None
        await worker.until("work_request_available")
        handed = await worker.get_next()

    assert handed is not None
    assert (handed["id"], handed["attempt"]) == (id_, 2)


async def test_a_worker_of_ours_that_restarts_gives_back_by_its_handshake(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next(headers={"X-Debusine-Running": ""})

    async with hand_worker(farm, **{"X-Debusine-Running": ""}) as worker:
        await worker.until("work_request_available")
        handed = await worker.get_next(headers={"X-Debusine-Running": ""})

    assert handed is not None
    assert (handed["id"], handed["attempt"]) == (id_, 2)


async def test_a_worker_of_ours_that_names_its_attempt_goes_on_with_it(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()

    async with hand_worker(farm, **{"X-Debusine-Running": f"{id_}/1"}) as worker:
        await worker.until("request_dynamic_metadata")
        assert await worker.complete(id_, headers={"X-Debusine-Attempt": "1"}) == 200

    shown = await becomes(farm, id_, "completed")
    assert (shown["result"], shown["attempt"]) == ("success", 1)


async def test_a_malformed_list_of_running_attempts_is_refused_before_the_handshake(farm: Farm) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
        async with hand_worker(farm, **{"X-Debusine-Running": "one"}):
            pass


@pytest.fixture
async def forgetful_farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm on which whoever leaves is lost at once."""
    async with open_work_farm(database, tmp_path, FORGETFUL) as opened:
        yield opened


async def test_work_of_a_worker_that_vanishes_is_done_by_another_and_the_late_result_does_not_count(
    forgetful_farm: Farm,
) -> None:
    farm = forgetful_farm
    other, key = await farm.database.write(make_worker, "other")
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()

    async with ready_worker(farm, key) as second:
        await second.until("work_request_available")
        handed = await second.get_next()
        assert handed is not None
        assert (handed["id"], handed["attempt"], handed["worker"]) == (id_, 2, other.id)
        assert await worker.complete(id_, "failure") == 200
        assert await worker.complete(id_, "failure", headers={"X-Debusine-Attempt": "1"}) == 409
        assert await status_of(farm, id_) == ("running", "")
        assert await second.complete(id_) == 200

    assert await status_of(farm, id_) == ("completed", "success")


async def test_a_silent_worker_is_disconnected(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, evolve(PATIENT, heartbeat=0.1)) as farm:
        token = {"token": farm.people.worker_key}
        async with farm.client.ws_connect(SOCKET, headers=token, autoping=False), asyncio.timeout(PATIENCE):
            while not await was_connected(farm) or await is_connected(farm):
                await asyncio.sleep(0.02)
        assert not await is_connected(farm)


async def test_a_stopping_server_lets_go_of_its_workers(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        await farm.client.server.close()
        assert (await worker.hear())["type"] == "connection_closed"
    assert not await is_connected(farm)


async def test_a_worker_stays_connected_whose_row_is_seen_before_its_socket_is_held(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, write = farm.client.app, farm.database.write
    assert app is not None

    async def slowly(function: Callable[..., Any], /, *args: Any) -> Any:
        result = await write(function, *args)
        if function is workers.connect:
            await app[WORKER_SOCKETS].sweep()
        return result

    monkeypatch.setattr(farm.database, "write", slowly)

    async with ready_worker(farm):
        assert await is_connected(farm)


async def is_connected(farm: Farm) -> bool:
    return await farm.database.read(lambda uow: uow.workers.get(farm.people.worker.id).connected())


async def was_connected(farm: Farm) -> bool:
    return await farm.database.read(lambda uow: uow.workers.get(farm.people.worker.id).connection > 0)


def disable(uow: UnitOfWork, worker: Worker, *, tell: bool) -> None:
    token = uow.tokens.get(worker.token or 0)
    uow.tokens.save(token.disable(), expecting=token)
    if tell:
        uow.publish(TokenDisabled(token.id, token.hash))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://"])
async def test_a_page_of_another_origin_gets_no_socket(farm: Farm, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await farm.client.ws_connect(SOCKET, headers={"token": farm.people.worker_key, "Origin": origin})

    assert caught.value.status == 403


async def test_a_page_of_the_servers_own_origin_gets_a_socket(farm: Farm) -> None:
    own = str(farm.client.make_url("/").origin())

    async with hand_worker(farm, Origin=own) as worker:
        assert await worker.hear_text() == "connected"


async def test_an_assignment_by_another_server_is_told_when_it_rings(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, evolve(PATIENT, sweep=60)) as farm, ready_worker(farm) as worker:
        database._listeners, listeners = [], database._listeners
        await submit(farm)
        await database.write(dispatcher().assign_waiting_work)
        await asyncio.sleep(0)
        database._listeners = listeners

        database.tell([ChangedElsewhere()])

        assert await worker.hear_text() == "work_request_available"
