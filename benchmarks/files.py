"""Files going up and coming down."""

import hashlib
import os
from typing import Any

import aiohttp

from benchmarks.measured import Measured, each, timed
from benchmarks.server import MiB, Server

CHUNK = 50 * MiB
LARGE = 1024 * MiB
ARTIFACTS = 10
FILES = 100
SMALL = 10 << 10


async def transfer_large_file(server: Server) -> list[Measured]:
    """One file in chunks as the client sends them, then the whole of it back."""
    content = os.urandom(LARGE)
    description = describe(content)
    async with server.session() as session:
        with timed() as up:
            artifact = await create_artifact(session, {"large": description})
            await upload(session, artifact, content)
        first, down = await download(session, artifact["files"]["large"]["url"])
    return [
        Measured("upload of 1 GiB, hashed and synced", LARGE / MiB / up.seconds, "MiB/s"),
        Measured("download of 1 GiB", LARGE / MiB / down, "MiB/s"),
        Measured("its first byte", first * 1000, "ms"),
        Measured("resident after both", server.resident(), "MiB"),
    ]


async def send_small_files(server: Server) -> list[Measured]:
    """Files of 10 KiB, 100 to an artifact, one PUT each, 8 at a time."""
    async with server.session() as session:
        with timed() as all_sent:
            for _ in range(ARTIFACTS):
                await send_artifact(session, [os.urandom(SMALL) for _ in range(FILES)])
    return [Measured("small files", ARTIFACTS * FILES / all_sent.seconds, "files/s")]


async def send_artifact(session: aiohttp.ClientSession, contents: list[bytes]) -> None:
    """Declare an artifact and send its files."""
    paths = [f"file-{number}" for number in range(len(contents))]
    files = {path: describe(content) for path, content in zip(paths, contents, strict=True)}
    artifact = await create_artifact(session, files)

    async def send(number: int) -> None:
        url = f"/api/1.0/artifact/{artifact['id']}/files/{paths[number]}/"
        async with session.put(url, data=contents[number]) as answer:
            assert answer.status == 201, await answer.text()

    await each(send, count=len(contents), concurrency=8)


async def describe_artifacts(server: Server) -> list[Measured]:
    """The JSON of an artifact with 100 files, 16 at a time."""
    count = 2000
    async with server.session() as session:
        files = {f"file-{number}": describe(os.urandom(16)) for number in range(FILES)}
        artifact = await create_artifact(session, files)

        async def ask(_: int) -> None:
            async with session.get(f"/api/1.0/artifact/{artifact['id']}/") as answer:
                assert answer.status == 200
                await answer.read()

        with timed() as asked:
            await each(ask, count=count, concurrency=16)
    return [Measured("artifact JSON with 100 files", count / asked.seconds, "/s")]


def describe(content: bytes) -> dict[str, Any]:
    """A file as an artifact declares it."""
    return {"size": len(content), "checksums": {"sha256": hashlib.sha256(content).hexdigest()}, "type": "file"}


async def create_artifact(session: aiohttp.ClientSession, files: dict[str, Any]) -> Any:
    """Declare an artifact."""
    body = {"category": "debusine:test", "data": {}, "files": files}
    async with session.post("/api/1.0/artifact/", json=body) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def upload(session: aiohttp.ClientSession, artifact: Any, content: bytes) -> None:
    """Send the only file of an artifact in chunks."""
    url = f"/api/1.0/artifact/{artifact['id']}/files/large/"
    view = memoryview(content)
    for start in range(0, len(content), CHUNK):
        chunk = view[start : start + CHUNK]
        headers = {"Content-Range": f"bytes {start}-{start + len(chunk) - 1}/{len(content)}"}
        async with session.put(url, data=chunk, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()


async def download(session: aiohttp.ClientSession, url: str) -> tuple[float, float]:
    """Seconds to the first byte and to the last."""
    received = 0
    with timed() as whole:
        with timed() as first:
            answer = await session.get(url)
            received += len(await answer.content.readany())
        while chunk := await answer.content.readany():
            received += len(chunk)
    assert received == LARGE
    return first.seconds, whole.seconds
