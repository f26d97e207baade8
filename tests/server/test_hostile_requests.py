"""Requests that no honest client sends: each is refused, changes nothing, and leaves no trace of a key in the log."""

import asyncio
import hashlib
import logging
import socket
from typing import Any

import pytest
from aiohttp import web

from debusine.db.engine import DatabaseFull
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import TokenKind
from debusine.server.listening import serving
from tests.farm import Answer, Farm, make_token

API = "/api/1.0"
ARTIFACT = {"category": "debusine:test", "data": {}}
NOOP = {"task_name": "noop"}
CONTENT = b"hello\n"
FILE = {"size": len(CONTENT), "checksums": {"sha256": hashlib.sha256(CONTENT).hexdigest()}, "type": "file"}


async def created(farm: Farm, **files: Any) -> int:
    answer = await farm.post(f"{API}/artifact/", {**ARTIFACT, "files": files})
    assert answer.status == 201, answer
    return int(answer.json()["id"])


async def counted(farm: Farm) -> tuple[int, int]:
    """How many work requests and artifacts there are."""

    def count(uow: UnitOfWork) -> tuple[int, int]:
        return len(uow.work_requests.older(limit=100)), len(uow.artifacts.with_ids(range(1, 100)))

    return await farm.database.read(count)


async def raw(farm: Farm, head: bytes, body: bytes = b"") -> Answer:
    """What the server says to bytes that no HTTP library would send; the head lacks its last empty line."""
    host, port = farm.client.host, farm.client.port
    return await talk(str(host), int(port or 0), head, body)


async def talk(host: str, port: int, head: bytes, body: bytes = b"") -> Answer:
    reader, writer = await asyncio.open_connection(host, port)
    ending = f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    writer.write(head + ending + body)
    async with asyncio.timeout(30):
        said, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    lines = said.decode("latin-1").split("\r\n")
    return Answer(int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), content)


@pytest.mark.parametrize(("path", "body"), [("work-request", NOOP), ("artifact", ARTIFACT)])
async def test_a_request_with_a_host_that_stands_in_no_url_changes_nothing(
    farm: Farm, path: str, body: dict[str, Any]
) -> None:
    answer = await farm.post(f"{API}/{path}/", body, headers={"Host": 'a"b'})

    assert (answer.status, answer.problem()["title"]) == (400, "The Host header is malformed")
    assert await counted(farm) == (0, 0)


async def test_a_worker_that_names_a_wrong_host_is_handed_nothing(farm: Farm) -> None:
    path = f"{API}/work-request/get-next-for-worker/"

    answer = await farm.get(path, key=farm.people.worker_key, headers={"Host": 'a"b'})

    assert answer.status == 400


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_outside_the_calendar_of_utc_is_refused_by_its_path(farm: Farm, moment: str) -> None:
    answer = await farm.post(f"{API}/artifact/", {**ARTIFACT, "expire_at": moment})

    assert (answer.status, list(answer.problem()["validation_errors"])) == (400, ["expire_at"])


@pytest.mark.parametrize(
    "header", [b"Content-Type: text/\xff", b"Content-Type: application/json\r\nContent-Encoding: \xff"]
)
async def test_headers_that_are_not_utf_8_are_refused_as_any_others(farm: Farm, header: bytes) -> None:
    key = farm.people.user_key.encode()

    answer = await raw(
        farm, b"POST /api/1.0/artifact/ HTTP/1.1\r\nHost: h\r\nToken: %s\r\n%s\r\n" % (key, header), b"{}"
    )

    assert (answer.status, answer.problem()["title"]) == (415, "The body must be plain JSON")


async def test_ids_are_written_in_the_digits_of_ascii(farm: Farm) -> None:
    artifact = await created(farm)
    digits = "".join(chr(0x660 + int(digit)) for digit in str(artifact))

    assert (await farm.get(f"{API}/artifact/{artifact}/")).status == 200
    assert (await farm.get(f"{API}/artifact/{digits}/")).status == 404


@pytest.mark.parametrize("path", ["a%0d%0ab", "%0a", "a%0a"])
async def test_line_breaks_in_the_path_of_a_file_are_refused_as_other_control_characters(farm: Farm, path: str) -> None:
    artifact = await created(farm, a=FILE)

    ending = f" HTTP/1.1\r\nHost: h\r\nToken: {farm.people.user_key}\r\n"
    up = await raw(farm, f"PUT {API}/artifact/{artifact}/files/{path}/{ending}".encode(), CONTENT)
    down = await raw(farm, f"GET /debusine/System/artifact/{artifact}/download/{path}{ending}".encode())

    assert [up.status, down.status] == [400, 400]
    assert up.problem()["detail"] == "it has a control character"


@pytest.mark.parametrize("attempt", ["2147483648", "999999999999999999"])
async def test_a_number_that_no_attempt_can_have_is_a_malformed_header(farm: Farm, attempt: str) -> None:
    submitted = (await farm.post(f"{API}/work-request/", NOOP)).json()["id"]
    body = {**ARTIFACT, "work_request": submitted}

    answer = await farm.post(
        f"{API}/artifact/", body, key=farm.people.worker_key, headers={"X-Debusine-Attempt": attempt}
    )

    assert (answer.status, answer.problem()["title"]) == (400, "The header X-Debusine-Attempt is malformed")


async def test_a_full_database_still_answers_those_who_only_read(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = await farm.database.write(lambda uow: make_token(uow, TokenKind.USER, user=farm.people.user.id))

    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseFull

    monkeypatch.setattr(farm.database, "write", refuse)

    assert (await farm.get(f"{API}/work-request/", key=key)).status == 200


async def test_what_is_not_http_leaves_one_line_in_the_log_and_no_key(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as bound, caplog.at_level(logging.INFO):
        bound.bind(("127.0.0.1", 0))
        async with serving(web.Application(), bound, farm.settings.limits):
            answer = await talk("127.0.0.1", bound.getsockname()[1], b"GET / HTTP/1.1\r\nToken: s3cr3t\x01\r\n")

    assert answer.status == 400
    assert "s3cr3t" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_head_request_hands_out_nothing(farm: Farm) -> None:
    path = f"{API}/work-request/get-next-for-worker/"

    answer = await farm.request("HEAD", path, key=farm.people.worker_key)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
