"""The worker's side of the wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import Factory, define

from debusine.client import Access, Conflicting, Connection, Message, Refused, Unreachable, WorkerClient
from debusine.domain.secrets import Secret
from debusine.domain.work_requests import Result
from debusine.protocol.messages import Text, rejection, say
from debusine.protocol.resources import CompletionReport, OutputData, OutputError, RuntimeStatistics
from tests.client.conftest import IMPATIENT
from tests.client.fake_server import FakeServer, problem


@define
class FakeFarm:
    """The worker's endpoints: each keeps what it got and answers what it was given."""

    bodies: list[Any] = Factory(list)
    headers: list[dict[str, str]] = Factory(list)
    answers: list[web.Response] = Factory(list)
    frames: list[str | bytes] = Factory(list)
    silent: bool = False
    over: asyncio.Event = Factory(asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.bodies.append((request.method, request.path, await request.json() if request.can_read_body else None))
        return self.answers.pop(0)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        socket = web.WebSocketResponse(autoping=not self.silent)
        await socket.prepare(request)
        for frame in self.frames:
            await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
        if self.silent:
            await self.over.wait()
        await socket.close()
        return socket


@pytest.fixture
def farm() -> FakeFarm:
    return FakeFarm()


@pytest.fixture
async def worker(farm: FakeFarm) -> AsyncIterator[WorkerClient]:
    app = web.Application()
    app.router.add_get("/api/ws/1.0/worker/connect/", farm.connect)
    app.router.add_route("*", "/{path:.*}", farm.answer)
    async with TestServer(app, host="127.0.0.1") as started:
        access = Access(api_url=str(started.make_url("/api")), token=Secret("w" * 64))
        async with Connection(access, backoff=IMPATIENT) as connection:
            yield WorkerClient(connection)
        farm.over.set()


async def test_registering_sends_the_new_key_and_the_activation_token(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers.append(web.Response(status=201))
    await worker.register("host.example", Secret("a" * 64))
    body = {"token": "a" * 64, "fqdn": "host.example", "worker_type": "external"}
    assert farm.bodies == [("POST", "/api/1.0/worker/register/", body)]
    assert farm.headers[0]["Token"] == "w" * 64


async def test_a_refused_registration_says_why(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers.append(problem(400, "Cannot deserialize worker"))
    with pytest.raises(Refused, match="Cannot deserialize worker"):
        await worker.register("host.example", Secret("a" * 64))


async def test_metadata_is_a_flat_object(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers.append(web.Response(status=204))
    await worker.put_dynamic_metadata({"system:cpu_count": 4})
    assert farm.bodies == [("PUT", "/api/1.0/worker/dynamic-metadata/", {"system:cpu_count": 4})]


async def test_no_work_is_none(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers.append(web.Response(status=204))
    assert await worker.get_next() is None
    assert farm.headers[0]["X-Debusine-Running"] == ""


async def test_work_comes_with_its_attempt(worker: WorkerClient, farm: FakeFarm) -> None:
    work_request = FakeServer().add_work_request(attempt=2, timeout=60, dynamic_task_data={"environment_id": 1})
    farm.answers.append(web.json_response(work_request))
    given = await worker.get_next([(3, 1), (4, 2)])
    assert given is not None
    assert (given.id, given.attempt, given.timeout, given.dynamic_task_data) == (1, 2, 60, {"environment_id": 1})
    assert farm.headers[0]["X-Debusine-Running"] == "3/1,4/2"
    assert "X-Debusine-Scope" not in farm.headers[0]


async def test_a_report_leaves_out_what_is_not_known(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers += [web.Response(), web.Response()]
    await worker.complete(5, CompletionReport(result=Result.SUCCESS))
    statistics = RuntimeStatistics(duration=3)
    errors = [OutputError(message="It broke", code="execute-failed")]
    report = CompletionReport(result=Result.ERROR, output_data=OutputData(runtime_statistics=statistics, errors=errors))
    await worker.complete(5, report, attempt=2)
    assert farm.bodies[0] == ("PUT", "/api/1.0/work-request/5/completed/", {"result": "success"})
    told = farm.bodies[1][2]
    assert told.keys() == {"result", "output_data"}
    assert told["output_data"].keys() == {"runtime_statistics", "errors"}
    assert told["output_data"]["runtime_statistics"]["duration"] == 3
    assert [head.get("X-Debusine-Attempt") for head in farm.headers] == [None, "2"]


async def test_a_stale_attempt_is_a_conflict(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.answers.append(problem(409, "stale attempt"))
    with pytest.raises(Conflicting):
        await worker.complete(5, CompletionReport(result=Result.SUCCESS), attempt=1)


async def test_messages_are_heard_until_the_server_closes(worker: WorkerClient, farm: FakeFarm) -> None:
    spoken = [say(Text.CONNECTED), say(Text.WORK_REQUEST_AVAILABLE), rejection("No", "TOKEN_DISABLED")]
    farm.frames += [json.dumps(message) for message in spoken]
    async with worker.listen([(3, 1)]) as messages:
        heard = [message async for message in messages]
    assert heard == [
        Message(type="websocket.send", text="connected"),
        Message(type="websocket.send", text="work_request_available"),
        Message(type="connection_rejected", reason="No", reason_code="TOKEN_DISABLED"),
    ]
    assert farm.headers[0]["Token"] == "w" * 64
    assert farm.headers[0]["X-Debusine-Running"] == "3/1"


async def test_what_is_no_message_is_ignored(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.frames += ["{", "[]", b"\x00", '{"text": 5, "reason": null}', '{"text": "connected"}']
    async with worker.listen() as messages:
        heard = [message async for message in messages]
    assert heard == [Message(), Message(text="connected")]


async def test_a_silent_server_ends_the_listening(worker: WorkerClient, farm: FakeFarm) -> None:
    farm.silent = True
    async with asyncio.timeout(30):
        async with worker.listen(heartbeat=0.05) as messages:
            assert [message async for message in messages] == []


async def test_a_refused_handshake_is_told(farm: FakeFarm) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    app = web.Application()
    app.router.add_get("/api/ws/1.0/worker/connect/", refuse)
    async with TestServer(app, host="127.0.0.1") as started:
        access = Access(api_url=str(started.make_url("/api")))
        async with Connection(access) as connection:
            with pytest.raises(Refused, match="answered 403 to the websocket"):
                async with WorkerClient(connection).listen():
                    pytest.fail("it was let in")


async def test_a_server_that_is_not_there_cannot_be_listened_to(closed_port: int) -> None:
    async with Connection(Access(api_url=f"http://127.0.0.1:{closed_port}/api")) as connection:
        with pytest.raises(Unreachable):
            async with WorkerClient(connection).listen():
                pytest.fail("nobody is there")
