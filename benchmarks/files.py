"""Files going up and coming down."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from benchmarks.measured import Measured, each, timed
from benchmarks.server import MiB, Server

CHUNK = 50 * MiB
LARGE = 1024 * MiB
ARTIFACTS = 10
FILES = 100
SMALL = 10 << 10
READS = 2000


async def transfer_large_file(server: Server) -> list[Measured]:
    """One file in chunks as the client sends them, then the whole of it back."""
    content = large_content()
    server.memory.forget()
    async with server.session() as session:
        description = {"large": describe(content)}
        with server.working() as up:
            artifact = await create_artifact(session, description)
            await upload(session, artifact, "large", content)
        with server.working() as down:
            first, seconds = await download(session, artifact["files"]["large"]["url"], LARGE)
    down.seconds = seconds
    return [
        *up.rate("upload", LARGE / MiB),
        *down.rate("download", LARGE / MiB),
        Measured("first-byte", first * 1000),
        Measured("transfer-memory", server.memory.peak()),
    ]


async def send_small_files(server: Server) -> list[Measured]:
    """Files of 10 KiB, 100 to an artifact, one PUT each, 8 at a time."""
    contents = [os.urandom(SMALL) for _ in range(ARTIFACTS * FILES)]
    async with server.session() as session:
        with server.working() as work:
            for start in range(0, len(contents), FILES):
                await send_artifact(session, contents[start : start + FILES])
    return work.rate("small", len(contents))


async def describe_artifacts(server: Server) -> list[Measured]:
    """The JSON of an artifact with 100 files, 16 at a time."""
    async with server.session() as session:
        files = {f"file-{number}": describe(os.urandom(16)) for number in range(FILES)}
        artifact = await create_artifact(session, files)
        with server.working() as work:
            await each(lambda _: read(session, f"/api/1.0/artifact/{artifact['id']}/"), count=READS, concurrency=16)
    return work.rate("artifact", READS)


async def send_artifact(session: aiohttp.ClientSession, contents: Sequence[bytes]) -> Any:
    """Declare an artifact and send its files."""
    paths = [f"file-{number}" for number in range(len(contents))]
    files = {path: describe(content) for path, content in zip(paths, contents, strict=True)}
    artifact = await create_artifact(session, files)

    async def send(number: int) -> None:
        url = f"/api/1.0/artifact/{artifact['id']}/files/{paths[number]}/"
        async with session.put(url, data=contents[number]) as answer:
            assert answer.status == 201, await answer.text()

    await each(send, count=len(contents), concurrency=8)
    return artifact


async def read(session: aiohttp.ClientSession, url: str) -> None:
    """Ask for something, and read all of it."""
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()


def large_content() -> bytes:
    """A file that nobody has seen, made faster than the kernel makes random bytes."""
    return os.urandom(MiB) * (LARGE // MiB)


def describe(content: bytes) -> dict[str, Any]:
    """A file as an artifact declares it."""
    return {"size": len(content), "checksums": {"sha256": hashlib.sha256(content).hexdigest()}, "type": "file"}


async def create_artifact(session: aiohttp.ClientSession, files: Mapping[str, Any]) -> Any:
    """Declare an artifact."""
    body = {"category": "debusine:test", "data": {}, "files": files}
    async with session.post("/api/1.0/artifact/", json=body) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def upload(session: aiohttp.ClientSession, artifact: Any, path: str, content: bytes, chunk: int = CHUNK) -> None:
    """Send a file of an artifact in chunks."""
    url = f"/api/1.0/artifact/{artifact['id']}/files/{path}/"
    view = memoryview(content)
    for start in range(0, len(content), chunk):
        part = view[start : start + chunk]
        headers = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(content)}"}
        async with session.put(url, data=part, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()


async def download(session: aiohttp.ClientSession, url: str, size: int) -> tuple[float, float]:
    """Seconds to the first byte and to the last."""
    received = 0
    with timed() as whole:
        with timed() as first:
            answer = await session.get(url)
            received += len(await answer.content.readany())
        while chunk := await answer.content.readany():
            received += len(chunk)
    assert received == size
    return first.seconds, whole.seconds
