"""Each limit, at it and just over it; the same on both databases."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from attrs import asdict

from debusine.config import Limits
from debusine.db.database import Database
from tests.farm import Answer, Farm, open_farm
from tests.server.filing import ARTIFACTS, declare, file_url, submission
from tests.work import METADATA

REGISTER = "/api/1.0/worker/register/"
METADATA_URL = "/api/1.0/worker/dynamic-metadata/"
SOCKET = "/api/ws/1.0/worker/connect/"
ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"
SMALL = Limits(
    json_body=2000,
    artifact_body=4000,
    json_bodies=100_000,
    json_depth=5,
    json_values=30,
    json_keys=9,
    json_string=100,
    data_string=200,
    json_array=8,
    metadata=400,
    metadata_array=3,
    artifact_files=3,
    chunk=100,
    file=150,
    artifact=300,
    open_uploads=2,
    websocket_frame=200,
    websocket_rate=5,
)


@pytest.fixture
async def narrow(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm with narrow limits."""
    async with open_farm(database, tmp_path, limits=SMALL) as opened:
        yield opened


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def files(*sizes: int) -> dict[str, Any]:
    described = {"checksums": {"sha256": "ab" * 32}, "type": "file"}
    return {"files": {f"{number}": described | {"size": size} for number, size in enumerate(sizes)}}


async def told(narrow: Farm, body: Mapping[str, Any], padding: int = 0) -> Answer:
    """What the server says of an artifact; ``padding``: so many bytes of body."""
    text = orjson.dumps({"category": "debusine:test", "data": {}, **body})
    return await narrow.request(
        "POST", ARTIFACTS, data=text.ljust(padding), headers={"Content-Type": "application/json"}
    )


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [
        ({"files": {}}, files(1, 1, 1, 1), 400),
        (files(1, 1, 1), files(1, 1, 1, 1), 400),
        (files(150, 150), files(151), 413),
        (files(100, 100, 100), files(100, 100, 101), 413),
        ({"category": "debusine:test"}, {"category": "x" * 101}, 400),
    ],
    ids=["nothing", "files", "file", "artifact", "string"],
)
async def test_an_artifact_has_limits(narrow: Farm, good: dict[str, Any], bad: dict[str, Any], status: int) -> None:
    assert [(await told(narrow, body)).status for body in (good, bad)] == [201, status]


async def test_a_body_may_have_so_many_bytes(narrow: Farm) -> None:
    assert [(await told(narrow, {}, padding=size)).status for size in (4000, 4001)] == [201, 413]


#: What is wrong with nothing but the limits: unknown keys are refused by another title.
WITHIN, BEYOND = (
    "Cannot deserialize worker",
    ("The request's body is not valid JSON", "The request's body is beyond the limits"),
)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (nested(5), nested(6)),
        ({str(n): 1 for n in range(9)}, {str(n): 1 for n in range(10)}),
        ({"a": [1] * 8}, {"a": [1] * 9}),
        ({"a": "x" * 100}, {"a": "x" * 101}),
        ({"x" * 100: 1}, {"x" * 101: 1}),
        ({str(n): [1] * 5 for n in range(4)}, {str(n): [1] * 5 for n in range(6)}),
    ],
    ids=["depth", "keys", "array", "string", "key", "values"],
)
async def test_the_parts_of_a_body_have_limits(narrow: Farm, good: Any, bad: Any) -> None:
    answers = [await narrow.post(REGISTER, body, key=None) for body in (good, bad)]

    assert [answer.status for answer in answers] == [400, 400]
    assert answers[0].problem()["title"] == WITHIN
    assert answers[1].problem()["title"] in BEYOND


async def test_all_large_bodies_together_have_a_limit(database: Database, tmp_path: Path) -> None:
    async with open_farm(database, tmp_path, limits=Limits(json_bodies=300_000)) as farm:
        answers = [await told(farm, {}, padding=size) for size in (200_000, 300_000, 300_001, 200_000)]

    assert [answer.status for answer in answers] == [201, 201, 503, 201]
    assert answers[2].headers["Retry-After"]


async def test_who_is_unknown_takes_no_room_of_the_large_bodies(database: Database, tmp_path: Path) -> None:
    async def registered(farm: Farm, size: int) -> Answer:
        body = orjson.dumps({}).ljust(size)
        return await farm.request("POST", REGISTER, data=body, headers={"Content-Type": "application/json"}, key=None)

    async with open_farm(database, tmp_path, limits=Limits(json_bodies=1)) as farm:
        answers = [await registered(farm, size) for size in (64 << 10, (64 << 10) + 1)]

    assert [answer.status for answer in answers] == [400, 413]


async def test_what_a_worker_tells_of_itself_has_limits(narrow: Farm) -> None:
    async def said(value: object) -> int:
        body = {"system:architectures": value}
        return (await narrow.put(METADATA_URL, json=body, key=narrow.people.worker_key)).status

    assert [await said(["amd64"] * number) for number in (3, 4)] == [204, 400]
    assert await said(["a" * 90] * 3) == 204
    assert await said("x" * 400) == 413


@pytest.mark.parametrize("architectures", [10_000, 100_000])
async def test_a_worker_that_claims_everything_is_refused(farm: Farm, architectures: int) -> None:
    body = {**METADATA, "system:architectures": ["amd64"] * architectures}

    answer = await farm.put(METADATA_URL, json=body, key=farm.people.worker_key)

    assert answer.status in {400, 413}
    worker = await farm.database.read(lambda uow: uow.workers.get(farm.people.worker.id))
    assert worker.dynamic_metadata == {}


async def test_a_chunk_has_a_limit(narrow: Farm) -> None:
    artifact = await declare(narrow, {"a": b"x" * 150})
    answers = []
    for size in (100, 101):
        headers = {"Content-Range": f"bytes 0-{size - 1}/150"}
        answers.append(await narrow.put(file_url(artifact, "a"), data=io.BytesIO(b"x" * size), headers=headers))

    assert [answer.status for answer in answers] == [200, 413]


async def test_a_user_has_so_many_open_uploads(narrow: Farm) -> None:
    artifact = await declare(narrow, {name: name.encode() * 50 for name in "abc"})
    headers = {"Content-Range": "bytes 0-9/50"}
    answers = [
        await narrow.put(file_url(artifact, name), data=io.BytesIO(name.encode() * 10), headers=headers)
        for name in "abc"
    ]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert len(list(narrow.settings.uploads.iterdir())) == 2


async def test_an_upload_that_rested_too_long_begins_anew(database: Database, tmp_path: Path) -> None:
    async with open_farm(database, tmp_path, limits=Limits(upload_idle=0.2)) as farm:
        artifact = await declare(farm, {"a": b"x" * 50})
        first = {"Content-Range": "bytes 0-9/50"}
        assert (await farm.put(file_url(artifact, "a"), data=io.BytesIO(b"x" * 10), headers=first)).status == 200
        async with asyncio.timeout(30):
            while any(farm.settings.uploads.iterdir()):
                await asyncio.sleep(0.02)

        probe = await farm.put(file_url(artifact, "a"), headers={"Content-Range": "bytes */50"})

    assert (probe.status, probe.headers["Range"]) == (206, "bytes=0-0")


@pytest.mark.parametrize("path", [SOCKET, ON_COMPLETED])
@pytest.mark.parametrize(
    ("messages", "code"),
    [(["x" * 200] * 5, None), (["x" * 201], aiohttp.WSCloseCode.MESSAGE_TOO_BIG), (["x"] * 6, 1008)],
    ids=["within", "frame", "rate"],
)
async def test_what_comes_in_on_a_websocket_has_limits(
    narrow: Farm, path: str, messages: list[str], code: int | None
) -> None:
    key = narrow.people.worker_key if path == SOCKET else narrow.people.user_key
    async with narrow.client.ws_connect(path, headers={"token": key}) as socket:
        assert "connected" in await socket.receive_str()
        for message in messages:
            await socket.send_str(message)
        if code is None:
            assert (await narrow.get("/api/1.0/limits/")).status == 200  # the server has had its turn
            assert not socket.closed
            return
        async with asyncio.timeout(30):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass

    assert socket.close_code == code


async def test_pings_are_answered_and_count(narrow: Farm) -> None:
    headers = {"token": narrow.people.worker_key}
    async with narrow.client.ws_connect(SOCKET, headers=headers, autoping=False) as socket:
        await socket.receive_str()
        for _ in range(6):
            await socket.ping(b"hello")
        heard = []
        async with asyncio.timeout(30):
            while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                heard.append((message.type, message.data))

    assert heard.count((aiohttp.WSMsgType.PONG, b"hello")) == 5
    assert message.data == 1008


async def test_a_compressed_body_is_not_unpacked(farm: Farm) -> None:
    bomb = gzip.compress(bytes(50 << 20))

    answer = await farm.request(
        "POST", ARTIFACTS, data=bomb, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
    )

    assert answer.status == 415


async def test_every_limit_is_announced(narrow: Farm) -> None:
    told = (await narrow.get("/api/1.0/limits/", key=None)).json()

    assert asdict(SMALL).items() <= told.items()


async def test_the_first_bodies_of_real_life_are_within_the_limits(farm: Farm) -> None:
    many = submission({f"directory/file-{number:05}.txt": b"x" for number in range(10_000)})

    headers = {"Content-Type": "application/json"}
    assert (await farm.request("POST", ARTIFACTS, data=io.BytesIO(orjson.dumps(many)), headers=headers)).status == 201
