"""What comes before the application: bytes that are no HTTP, and clients that do not take their answers."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import StreamReader
from aiohttp.web import RequestHandler
from attrs import define

from debusine.config import Limits
from debusine.db.database import Database
from debusine.server.connections import PIECE, Connection
from tests.farm import Answer, Farm, open_farm
from tests.server.filing import connected, filed

# What stands before the services is the same on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIMITS = "/api/1.0/limits/"
SOCKET = "/api/ws/1.0/worker/connect/"
KEY = "5ec4e7" * 10


async def told(farm: Farm, sent: bytes) -> list[Answer]:
    """Every answer to some bytes, until the server closes the connection."""
    async with connected(farm) as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(20):
            said = await reader.read()
    return answers_in(said)


def answers_in(said: bytes) -> list[Answer]:
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", "0"))
        found.append(Answer(int(line.split()[1]), headers, said[:length]))
        said = said[length:]
    return found


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nToken: " + KEY.encode() + b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nToken" + KEY.encode() + b"\r\n\r\n",
        b"GET /" + KEY.encode() + b"\x01 HTTP/1.1\r\n\r\n",
        b"GET http://a:b:c/" + KEY.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:30]),
)
async def test_what_is_not_http_is_answered_by_a_problem_without_the_words_of_the_sender(
    farm: Farm, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        (answer,) = await told(farm, sent)

    assert (answer.status, answer.problem()["title"]) == (400, "The request is not valid HTTP")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "aiohttp" not in answer.headers["Server"]
    assert KEY not in answer.body.decode() + caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("expected", [b"200-ok", b"100-co\xfbtinue", b"x"])
async def test_an_expectation_that_nobody_can_meet_is_a_problem(farm: Farm, expected: bytes) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: %s\r\n\r\n"

    (answer,) = await told(farm, head % (LIMITS.encode(), expected))

    assert (answer.status, answer.problem()["title"]) == (417, "Only 100-continue can be expected")


@pytest.mark.parametrize("header", ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
async def test_a_handshake_with_more_than_ascii_is_a_malformed_one(farm: Farm, header: str) -> None:
    headers = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "Upgrade, close",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    headers[header] += "\xd7"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async with connected(farm) as (reader, writer):
        writer.write(f"GET {SOCKET} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        async with asyncio.timeout(20):
            said = await reader.readuntil(b"}")

    (answer,) = answers_in(said)
    assert (answer.status, answer.problem()["title"]) == (400, f"The header {header} is malformed")


async def test_a_handshake_with_a_host_that_cannot_be_is_refused(farm: Farm) -> None:
    head = f"GET {SOCKET} HTTP/1.1\r\nHost: h:99999\r\nOrigin: http://h\r\nConnection: close\r\n\r\n"

    (answer,) = await told(farm, head.encode())

    assert (answer.status, answer.problem()["title"]) == (400, "The Host header is malformed")


async def test_a_body_in_broken_chunks_is_refused_once_and_not_for_each_chunk(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, go_on = farm.database.read, asyncio.Event()

    async def read(*args: Any, **kwargs: Any) -> Any:
        await go_on.wait()
        return await look(*args, **kwargs)

    monkeypatch.setattr(farm.database, "read", read)
    head = f"POST /api/1.0/artifact/ HTTP/1.1\r\nHost: x\r\nToken: {farm.people.user_key}\r\n"
    async with connected(farm) as (reader, writer):
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        await until_served(farm, True)
        (connection,) = connections(farm)
        body = connection._current_request.content if connection._current_request else None
        assert isinstance(body, StreamReader)
        writer.write(b"1\r\nx\r\n" * 3000 + b"rubbish\r\n")
        async with asyncio.timeout(20):
            while not connection._messages:
                await asyncio.sleep(0.001)
            go_on.set()
            (answer,) = answers_in(await reader.readuntil(b"}"))
            while body._buffer:  # what is left of the body is read and thrown away
                await asyncio.sleep(0.001)

        assert (answer.status, len(connection._messages)) == (415, 1)


@pytest.mark.parametrize(("number", "status"), [(64, 200), (65, 400)])
async def test_a_request_may_have_so_many_headers(farm: Farm, number: int, status: int) -> None:
    lines = b"".join(b"X-%d: x\r\n" % index for index in range(number - 2))

    (answer,) = await told(
        farm, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n" % (LIMITS.encode(), lines)
    )

    assert answer.status == status


@asynccontextmanager
async def limited(database: Database, directory: Path, **limits: Any) -> AsyncIterator[Farm]:
    async with open_farm(database, directory, limits=Limits(**limits)) as farm:
        yield farm


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo", f"GET {LIMITS} HTTP/1.1\r\nHost: x\r\n\r\n".encode()])
async def test_a_connection_that_is_idle_is_closed(database: Database, tmp_path: Path, begun: bytes) -> None:
    async with limited(database, tmp_path, keep_alive=0.2) as farm:
        answers = await told(farm, begun)

    assert [answer.status for answer in answers] == ([200] if LIMITS.encode() in begun else [])


async def test_who_takes_nothing_of_an_answer_is_cut(database: Database, tmp_path: Path) -> None:
    content = bytes(64 << 20)  # more than the buffers of both sides hold
    async with limited(database, tmp_path, slow_reader=0.2) as farm:
        artifact = await filed(farm, {"a": content})
        head = f"GET /debusine/System/artifact/{artifact}/download/a HTTP/1.1\r\nHost: x\r\n"
        with socket.create_connection((farm.client.host, farm.client.port)) as deaf:
            deaf.sendall(f"{head}Token: {farm.people.user_key}\r\n\r\n".encode())
            await until_served(farm, True)
            await until_served(farm, False)

            taken = await asyncio.to_thread(all_of, deaf)

    assert 0 < taken < len(content)


def all_of(deaf: socket.socket) -> int:
    taken = 0
    try:
        while part := deaf.recv(1 << 20):
            taken += len(part)
    except ConnectionResetError:
        pass
    return taken


async def until_served(farm: Farm, somebody: bool) -> None:
    async with asyncio.timeout(30):
        while any(connection._current_request for connection in connections(farm)) is not somebody:
            await asyncio.sleep(0.001)


def connections(farm: Farm) -> list[RequestHandler]:
    runner = farm.client.server.runner
    assert runner is not None
    assert runner.server is not None
    return runner.server.connections


@define(eq=False)
class Line:
    """Stands for a transport: what waits to be taken."""

    waiting: int = 0
    aborted: bool = False
    #: Whether it reads.
    reading: bool = True

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Request:
    """Stands for a request that is being answered."""

    def __init__(self) -> None:
        self.writer = self
        self.output_size = 0


@pytest.fixture
async def looked_at(farm: Farm) -> tuple[Connection, Line, Request]:
    """A connection by hand, in the middle of an answer."""
    assert farm.client.server.runner is not None
    assert farm.client.server.runner.server is not None
    connection = farm.client.server.runner.server()
    assert isinstance(connection, Connection)
    line, request = Line(), Request()
    connection.transport = line  # type: ignore[assignment]
    connection._current_request = request  # type: ignore[assignment]
    return connection, line, request


async def test_who_takes_little_by_little_is_not_cut(looked_at: tuple[Connection, Line, Request]) -> None:
    connection, line, request = looked_at
    for taken in range(1, 100):
        request.output_size, line.waiting = taken + 1000, 1000  # one byte was taken, and another one came
        connection._look()

    assert not line.aborted


async def test_who_waits_for_the_server_is_not_cut(looked_at: tuple[Connection, Line, Request]) -> None:
    connection, line, request = looked_at
    request.output_size = 1000
    for _ in range(3):
        connection._look()

    assert not line.aborted


async def test_who_takes_nothing_between_two_looks_is_cut(looked_at: tuple[Connection, Line, Request]) -> None:
    connection, line, request = looked_at
    request.output_size, line.waiting = 5000, 1000
    connection._look()
    assert not line.aborted

    connection._look()
    assert line.aborted


@define(eq=False)
class Ear:
    """Stands for what reads the messages of a websocket."""

    heard: bytes = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.heard += data
        return False, b""


async def test_a_flood_on_a_websocket_is_heard_piece_by_piece(looked_at: tuple[Connection, Line, Request]) -> None:
    connection, line, _ = looked_at
    ear, flood = Ear(), bytes(range(256)) * 200
    connection._payload_parser, connection._upgraded = ear, True

    connection.data_received(flood)
    assert (ear.heard, line.reading) == (flood[:PIECE], False)
    connection.resume_reading()  # a reader of messages that was behind wants more, and must wait
    assert not line.reading
    connection.data_received(b"the end")
    async with asyncio.timeout(20):
        while not line.reading:
            await asyncio.sleep(0)

    assert ear.heard == flood + b"the end"


async def test_a_connection_that_is_lost_hears_no_more(looked_at: tuple[Connection, Line, Request]) -> None:
    connection, _, _ = looked_at
    ear = Ear()
    connection._payload_parser, connection._upgraded = ear, True
    connection.data_received(bytes(3 * PIECE))

    connection.transport = None
    await asyncio.sleep(0)

    assert len(ear.heard) == PIECE
