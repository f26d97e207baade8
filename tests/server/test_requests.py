"""What handlers read from requests: bounded, strict, and every error with its place."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from debusine.config import Limits
from debusine.db.database import Database
from tests.farm import Answer, Farm, open_farm

# What stands before the services is the same on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CREATE = "/api/1.0/work-request/"
SMALL = Limits(json_body=2000, json_keys=5, json_string=100, data_string=200, json_array=3, artifact_files=7)
EMPTY = {"size": 0, "checksums": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
FILES = {"file": EMPTY}


@pytest.fixture
async def narrow(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm with narrow limits."""
    async with open_farm(database, tmp_path, limits=SMALL) as opened:
        yield opened


async def send(farm: Farm, body: bytes, path: str = CREATE, **headers: str) -> Answer:
    return await farm.request("POST", path, data=body, headers={"Content-Type": "application/json"} | headers)


async def count(farm: Farm) -> int:
    return len((await farm.get(CREATE + "?page_size=500")).json()["results"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"task_name": "noop", "task_name": "noop"}',
        b'{"task_name": "noop", "timeout": NaN}',
        b'{"task_name": "noop", "timeout": 1e999}',
        b'{"task_name": "no\\u0000op"}',
        b'{"task_name": "\\ud800"}',
        b'{"task_name": "noop\xff"}',
        b"[" * 100_000,
        b'{"a": ' * 5000,
        b'{"task_name": "noop", "timeout": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
async def test_what_two_programs_would_not_read_alike_is_refused(farm: Farm, body: bytes) -> None:
    answer = await send(farm, body)

    assert (answer.status, answer.problem()["title"]) == (400, "The request's body is not valid JSON")
    assert await count(farm) == 0


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"1"])
async def test_a_body_that_is_no_object_is_refused(farm: Farm, body: bytes) -> None:
    answer = await send(farm, body)

    assert answer.status == 400
    assert answer.problem()["title"] == "Cannot deserialize work request"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"task_data": {}}, "task_name"),
        ({"task_name": 1}, "task_name"),
        ({"task_name": "noop", "task_data": []}, "task_data"),
        ({"task_name": "noop", "timeout": "60"}, "timeout"),
        ({"task_name": "noop", "timeout": True}, "timeout"),
        ({"task_name": "noop", "timeout": 0}, "timeout"),
        ({"task_name": "noop", "bogus": 1}, "non_field_errors"),
    ],
)
async def test_each_wrong_field_is_named(farm: Farm, body: dict[str, Any], path: str) -> None:
    answer = await farm.post(CREATE, body)

    assert (answer.status, answer.problem()["title"]) == (400, "Cannot deserialize work request")
    assert list(answer.problem()["validation_errors"]) == [path]
    assert await count(farm) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"},
        {"Content-Encoding": "garbage"},
    ],
)
async def test_only_plain_json_is_taken(farm: Farm, headers: dict[str, str]) -> None:
    assert (await send(farm, b'{"task_name": "noop"}', **headers)).status == 415


async def test_a_charset_does_no_harm(farm: Farm) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert (await send(farm, b'{"task_name": "noop"}', **headers)).status == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_refused(narrow: Farm, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100

    answer = await narrow.request(
        "POST", CREATE, data=pieces() if chunked else b" " * 3000, headers={"Content-Type": "application/json"}
    )

    assert (answer.status, answer.problem()["title"]) == (413, "The request's body is too large")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({str(number): 1 for number in range(6)}, "task_data"),
        ({"a": {"b": [1, 2, 3, 4]}}, "task_data.a.b"),
        ({"a": [1, "x" * 101]}, "task_data.a[1]"),
        ({"k" * 101: 1}, "task_data"),
    ],
)
async def test_each_part_of_a_body_has_its_limit(narrow: Farm, data: dict[str, Any], path: str) -> None:
    answer = await narrow.post(CREATE, {"task_name": "noop", "task_data": data})

    assert answer.status == 400
    assert list(answer.problem()["validation_errors"]) == [path]


@pytest.mark.parametrize(("files", "text", "status"), [(7, 200, 201), (8, 200, 400), (7, 201, 400)])
async def test_an_artifact_may_have_more_files_and_longer_data(
    narrow: Farm, files: int, text: int, status: int
) -> None:
    body = {
        "category": "debusine:signing-input",
        "data": {"binary_package_name": "x" * text},
        "files": {str(number): EMPTY for number in range(files)},
    }

    assert (await narrow.post("/api/1.0/artifact/", body)).status == status


async def test_a_body_that_does_not_come_is_given_up(database: Database, tmp_path: Path) -> None:
    async with open_farm(database, tmp_path, limits=Limits(slow_body=0.05)) as farm:
        reader, writer = await asyncio.open_connection("127.0.0.1", farm.client.port)
        head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
        writer.write(f"{head}Token: {farm.people.user_key}\r\n\r\n12345".encode())

        said = await asyncio.wait_for(reader.readline(), 30)

        writer.close()
        await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("number", ["0", "9223372036854775807", "9223372036854775808", "9" * 300])
async def test_a_number_that_nothing_has_is_not_found(farm: Farm, number: str) -> None:
    assert (await farm.get(f"/api/1.0/work-request/{number}/")).status == 404


@pytest.mark.parametrize("number", ["-1", "1.0", "x", "%00", "\uff11"])
async def test_what_is_no_number_names_no_resource(farm: Farm, number: str) -> None:
    assert (await farm.get(f"/api/1.0/work-request/{number}/")).status == 404


async def test_large_bodies_are_read_like_small_ones(farm: Farm) -> None:
    body = json.dumps(
        {"category": "debusine:signing-input", "data": {"trusted_certs": ["y" * 1000] * 200}, "files": FILES}
    ).encode()

    assert (await send(farm, body, "/api/1.0/artifact/")).status == 201


async def test_the_limits_are_told(narrow: Farm) -> None:
    told = (await narrow.get("/api/1.0/limits/", key=None)).json()

    assert (told["json_body"], told["artifact_files"]) == (2000, 7)
