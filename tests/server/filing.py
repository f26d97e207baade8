"""Artifacts over HTTP: declared, filled, and asked for byte by byte."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.farm import Farm

ARTIFACTS = "/api/1.0/artifact/"
#: Seconds until what must happen has happened, on however slow a machine.
PATIENCE = 30.0


def described(content: bytes, **more: Any) -> dict[str, Any]:
    """A file as it is declared."""
    checksums = {"sha256": hashlib.sha256(content).hexdigest()}
    return {"size": len(content), "checksums": checksums, "type": "file"} | more


def submission(files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
    """An artifact as it is declared."""
    described_files = {path: described(content) for path, content in files.items()}
    return {"category": "debusine:test", "data": {}, "files": described_files} | more


async def declare(farm: Farm, files: Mapping[str, bytes], **more: Any) -> int:
    """Make an artifact of which the files are still to be sent, and return its id."""
    answer = await farm.post(ARTIFACTS, submission(files, **more))
    assert answer.status == 201, answer
    return int(answer.json()["id"])


async def filed(farm: Farm, files: Mapping[str, bytes], **more: Any) -> int:
    """Make a complete artifact and return its id."""
    answer = await farm.post(ARTIFACTS, submission(files, **more))
    assert answer.status == 201, answer
    artifact = int(answer.json()["id"])
    for path in answer.json()["files_to_upload"]:
        assert (await farm.put(file_url(artifact, path), data=io.BytesIO(files[path]))).status == 201
    return artifact


def file_url(artifact: int, path: str) -> str:
    """Where a file is sent; the path as it shall stand in the request."""
    return f"{ARTIFACTS}{artifact}/files/{path}/"


def request_head(farm: Farm, method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request with the user's token."""
    lines = {"Host": "farm.example", "Token": farm.people.user_key} | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode()


async def raw(farm: Farm, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Send exactly these bytes, and return the head of the answer."""
    sent = {"Content-Length": str(len(body))} | dict(headers or {})
    async with connected(farm) as (reader, writer):
        writer.write(request_head(farm, method, path, sent) + body)
        async with asyncio.timeout(PATIENCE):
            return await reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def connected(farm: Farm) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which nothing is said yet."""
    reader, writer = await asyncio.open_connection(farm.client.host, farm.client.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
