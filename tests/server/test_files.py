"""``PUT artifact/ID/files/PATH/`` byte for byte: probes, chunks, whole files, and every refusal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.config import Limits
from debusine.db.database import Database
from debusine.server.keys import UPLOADS
from tests.depot import until_requests
from tests.farm import Answer, Farm, open_farm
from tests.server.filing import PATIENCE, connected, declare, file_url, raw, request_head

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
HALF = SIZE // 2


async def until_sending(farm: Farm, requests: int) -> None:
    """Wait until so many requests send files."""
    assert farm.client.app is not None
    await until_requests(farm.client.app[UPLOADS].turns, requests)


async def put(farm: Farm, artifact: int, data: bytes, content_range: str | None = None, path: str = "a.txt") -> Answer:
    headers = {} if content_range is None else {"Content-Range": content_range}
    return await farm.put(file_url(artifact, path), data=data, headers=headers)


async def test_the_sequence_of_a_client_that_sends_chunks(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    probe = await put(farm, artifact, b"", f"bytes */{SIZE}")
    assert (probe.status, probe.headers["Range"], probe.body) == (206, "bytes=0-0", b"")

    chunk = await put(farm, artifact, CONTENT[:HALF], f"bytes 0-{HALF - 1}/{SIZE}")
    assert (chunk.status, chunk.headers["Range"], chunk.body) == (200, f"bytes=0-{HALF}", b"")

    probe = await put(farm, artifact, b"", "bytes */*")
    assert (probe.status, probe.headers["Range"]) == (206, f"bytes=0-{HALF}")

    last = await put(farm, artifact, CONTENT[HALF:], f"bytes {HALF}-{SIZE - 1}/{SIZE}")
    assert (last.status, last.body) == (201, b"")

    probe = await put(farm, artifact, b"", f"bytes */{SIZE}")
    assert (probe.status, probe.body) == (200, b"")


async def test_a_put_without_content_range_is_the_whole_file(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    assert (await put(farm, artifact, CONTENT)).status == 201
    assert (await put(farm, artifact, CONTENT)).status == 201


async def test_a_body_whose_length_nobody_told_is_counted(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    async def pieces() -> AsyncIterator[bytes]:
        yield CONTENT[:HALF]
        yield CONTENT[HALF:]

    assert (await farm.put(file_url(artifact, "a.txt"), data=pieces())).status == 201


@pytest.mark.parametrize(
    ("content_range", "body", "status"),
    [
        (f"bytes */{SIZE + 1}", b"", 400),
        (f"bytes {HALF}-{SIZE - 1}/{SIZE}", CONTENT[HALF:], 400),
        (f"bytes 0-{SIZE - 1}/{SIZE + 1}", CONTENT, 400),
        (f"bytes 0-{SIZE}/*", CONTENT + b"?", 400),
        (f"bytes 0-{SIZE - 2}/{SIZE}", CONTENT, 400),
        (f"bytes 0-{SIZE - 1}/{SIZE}", CONTENT[:-1], 400),
        ("bytes 5-3/10", b"", 400),
        ("bytes 0-/10", b"", 400),
        ("lines 0-3/10", b"abcd", 400),
        ("", b"", 400),
        (f"bytes 0-{SIZE - 1}/{SIZE}", CONTENT[:-1] + b"?", 409),
        (None, CONTENT[:-1], 400),
        (None, CONTENT + b"?", 400),
        (None, CONTENT[:-1] + b"?", 409),
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(
    farm: Farm, content_range: str | None, body: bytes, status: int
) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    answer = await put(farm, artifact, body, content_range)

    assert (answer.status, set(answer.problem()) & {"title"}) == (status, {"title"})
    probe = await put(farm, artifact, b"", f"bytes */{SIZE}")
    assert (probe.status, probe.headers["Range"]) == (206, "bytes=0-0")
    assert list(farm.settings.uploads.iterdir()) == []


async def test_paths_come_percent_encoded_with_their_slashes(farm: Farm) -> None:
    names = {
        "sub/b.txt": "sub/b.txt",
        "a b+é.txt": "a%20b%2B%C3%A9.txt",
        "100%25/x": "100%2525/x",
        "semi;colon": "semi;colon",
    }
    artifact = await declare(farm, dict.fromkeys(names, CONTENT))

    for encoded in names.values():
        assert (await raw(farm, "PUT", file_url(artifact, encoded), CONTENT)).startswith(b"HTTP/1.1 201 "), encoded


@pytest.mark.parametrize(
    "path",
    [
        "sub%2Fb.txt",
        "sub%2fb.txt",
        "a%00b",
        "..",
        "sub/../b.txt",
        "./a.txt",
        "a//b",
        "%0d%0aX:%20y",
        "%ff",
        "a%E2%80%AEb",
    ],
)
async def test_paths_that_could_mean_something_else_are_refused(farm: Farm, path: str) -> None:
    artifact = await declare(farm, {"sub/b.txt": CONTENT})

    head = await raw(farm, "PUT", file_url(artifact, path), CONTENT)

    assert head.split(b" ", 2)[1] in {b"400", b"404"}, head
    assert b"application/problem+json" in head


async def test_what_is_not_there_is_a_404(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    assert (await put(farm, artifact, CONTENT, path="b.txt")).status == 404
    assert (await put(farm, artifact + 1, CONTENT)).status == 404
    assert (await put(farm, 10**25, CONTENT)).status == 404


async def test_nobody_unknown_may_send_files(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    assert (await farm.put(file_url(artifact, "a.txt"), data=CONTENT, key=None)).status == 403
    assert (await farm.put(file_url(artifact, "a.txt"), data=CONTENT, key="0" * 64)).status == 403


async def test_a_worker_may_not_send_files_of_artifacts_that_it_did_not_make(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    assert (await farm.put(file_url(artifact, "a.txt"), data=CONTENT, key=farm.people.worker_key)).status == 404


async def test_a_client_that_vanishes_in_the_middle_leaves_nothing_and_no_traceback(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})
    async with connected(farm) as (_, writer):
        writer.write(
            request_head(farm, "PUT", file_url(artifact, "a.txt"), {"Content-Length": str(SIZE)}) + CONTENT[:HALF]
        )
        await writer.drain()
        await until_sending(farm, 1)

    await until_sending(farm, 0)
    assert list(farm.settings.uploads.iterdir()) == []
    assert "Traceback" not in caplog.text


async def test_an_older_request_ends_with_409_when_a_newer_one_comes(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})
    async with connected(farm) as (reader, writer):
        writer.write(
            request_head(farm, "PUT", file_url(artifact, "a.txt"), {"Content-Length": str(SIZE)}) + CONTENT[:HALF]
        )
        await writer.drain()
        await until_sending(farm, 1)

        assert (await put(farm, artifact, CONTENT)).status == 201

        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 409 ")
    assert b"\r\nContent-Type: application/problem+json\r\n" in head


async def test_a_client_that_falls_silent_is_told_so(database: Database, tmp_path: Path) -> None:
    async with open_farm(database, tmp_path, limits=Limits(slow_body=0.1)) as farm:
        artifact = await declare(farm, {"a.txt": CONTENT})
        async with connected(farm) as (reader, writer):
            writer.write(
                request_head(farm, "PUT", file_url(artifact, "a.txt"), {"Content-Length": str(SIZE)}) + CONTENT[:HALF]
            )
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 408 ")
        assert list(farm.settings.uploads.iterdir()) == []


async def test_a_request_larger_than_the_limit_is_refused_before_its_body_comes(
    database: Database, tmp_path: Path
) -> None:
    async with open_farm(database, tmp_path, limits=Limits(chunk=HALF)) as farm:
        artifact = await declare(farm, {"a.txt": CONTENT})
        async with connected(farm) as (reader, writer):
            writer.write(request_head(farm, "PUT", file_url(artifact, "a.txt"), {"Content-Length": str(SIZE)}))
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        assert (await put(farm, artifact, CONTENT[:HALF], f"bytes 0-{HALF - 1}/{SIZE}")).status == 200


async def test_too_little_space_is_a_507(database: Database, tmp_path: Path) -> None:
    async with open_farm(database, tmp_path, limits=Limits(free_space=1 << 60)) as farm:
        artifact = await declare(farm, {"a.txt": CONTENT})

        answer = await put(farm, artifact, CONTENT)

    assert (answer.status, answer.problem()["title"]) == (507, "There is too little free space")


async def test_answers_bear_the_headers_that_clients_compare_and_no_others(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    probe = await raw(farm, "PUT", file_url(artifact, "a.txt"), b"", {"Content-Range": f"bytes */{SIZE}"})
    chunk = await raw(
        farm, "PUT", file_url(artifact, "a.txt"), CONTENT[:HALF], {"Content-Range": f"bytes 0-{HALF - 1}/{SIZE}"}
    )
    wrong = await raw(farm, "PUT", file_url(artifact, "a.txt"), b"x", {"Content-Range": f"bytes 1-1/{SIZE + 1}"})

    assert probe.startswith(b"HTTP/1.1 206 Partial Content\r\nRange: bytes=0-0\r\nContent-Length: 0\r\n")
    assert chunk.startswith(f"HTTP/1.1 200 OK\r\nRange: bytes=0-{HALF}\r\nContent-Length: 0\r\n".encode())
    assert b"\r\nContent-Type:" not in probe + chunk
    assert b"\r\nContent-Type: application/problem+json\r\n" in wrong
