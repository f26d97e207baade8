"""Downloads: one file on its way here, resumed where it broke, there under its name only when it is whole."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import aiohttp
from attrs import frozen
from yarl import URL

from debusine.client.answers import refuse
from debusine.client.backoff import Retries
from debusine.client.connection import Connection
from debusine.client.errors import AlreadyThere, Busy, Unreachable, WrongContent
from debusine.client.transfer import BLOCK, Progress, no_progress
from debusine.domain.files import Digest, File
from debusine.protocol.ranges import ContentRange, InvalidContentRange

#: Seconds without progress, while the server is away, after which a download is given up.
PATIENCE = 60.0
#: The same while it answers that it cannot give the file just now: a store may have lost the bytes for ever.
BUSY_PATIENCE = 120.0


@frozen(kw_only=True)
class Download:
    """One file of an artifact on its way here."""

    connection: Connection
    url: URL
    path: str
    destination: Path
    expected: Digest
    progress: Progress = no_progress

    async def run(self) -> None:
        """Fetch it, compare size and hash, and only then give it its name.

        Raises ``AlreadyThere``, ``WrongContent``, ``Refused``, or ``Unreachable`` when the server stayed away too long;
        ``Busy`` when it answered for two minutes that it cannot give the file.
        """
        async with partial(self.destination) as (name, stream):
            part = Part(stream)
            await self._fill(part)
            if part.digest != self.expected:
                raise WrongContent(self.path)
            publish(name, self.destination)

    async def _fill(self, part: "Part") -> None:
        away = Retries(self.connection.backoff.patient(PATIENCE))
        busy = Retries(self.connection.backoff.patient(PATIENCE).impatient(BUSY_PATIENCE))
        while part.size < self.expected.size:
            before = part.size
            try:
                await self._receive(part)
            except (Unreachable, Busy) as error:
                if part.size > before:
                    away.reset()
                    busy.reset()
                await (busy if isinstance(error, Busy) else away).after(error)
            else:
                self._must_have_grown(part, before)
        part.flush()

    def _must_have_grown(self, part: "Part", before: int) -> None:
        if part.size <= before:
            raise WrongContent(self.path)

    async def _receive(self, part: "Part") -> None:
        headers = {"Range": f"bytes={part.size}-"} if part.size else {}
        async with self.connection.fetch(self.url, headers) as response:
            await self._check_start(response, part)
            async for block in response.content.iter_chunked(BLOCK):
                await asyncio.to_thread(part.append, block)
                if part.size > self.expected.size:
                    raise WrongContent(self.path)
                self.progress(self.path, part.size, self.expected.size)

    async def _check_start(self, response: aiohttp.ClientResponse, part: "Part") -> None:
        if response.status == HTTPStatus.OK:
            part.restart()
        elif response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise WrongContent(self.path)  # it is shorter than it was said to be
        elif response.status != HTTPStatus.PARTIAL_CONTENT:
            await refuse(response)
        elif _start(response.headers) != part.size:
            raise WrongContent(self.path)


class Part:
    """What has arrived so far, and its running hash."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.restart()

    def restart(self) -> None:
        """Begin again with nothing."""
        self._stream.seek(0)
        self._stream.truncate()
        self._running = hashlib.new(File.current_hash_algorithm)
        self.size = 0

    def append(self, block: bytes) -> None:
        """Keep the next bytes."""
        self._stream.write(block)
        self._running.update(block)
        self.size += len(block)

    def flush(self) -> None:
        """Let others see all that was kept."""
        self._stream.flush()

    @property
    def digest(self) -> Digest:
        """What identifies the bytes so far."""
        return Digest(hash_digest=self._running.digest(), size=self.size)


async def download_stream(
    connection: Connection, url: URL, destination: Path, progress: Progress = no_progress
) -> None:
    """Fetch something of which neither size nor hash is known, such as an archive made on the fly."""
    async with partial(destination) as (name, stream):

        async def once() -> None:
            part = Part(stream)
            async with connection.fetch(url, {}) as response:
                if response.status != HTTPStatus.OK:
                    await refuse(response)
                async for block in response.content.iter_chunked(BLOCK):
                    await asyncio.to_thread(part.append, block)
                    progress(destination.name, part.size, 0)
            part.flush()

        await connection.persistently(once, repeatable=True)
        publish(name, destination)


@asynccontextmanager
async def partial(destination: Path) -> AsyncIterator[tuple[Path, BinaryIO]]:
    """A file beside the destination to fill; gone at the end unless it was published."""
    name = destination.with_name(f".debusine-{secrets.token_hex(8)}.part")
    stream = _open(name, destination)  # not in a thread: it would stay open if this were cancelled meanwhile
    try:
        yield name, stream
    finally:
        stream.close()
        name.unlink(missing_ok=True)


def _open(name: Path, destination: Path) -> BinaryIO:
    if os.path.lexists(destination):
        raise AlreadyThere(destination)
    return name.open("xb")


def publish(name: Path, destination: Path) -> None:
    """Give a whole file its own name, unless another program was faster."""
    try:
        os.link(name, destination)
    except FileExistsError:
        raise AlreadyThere(destination) from None
    except OSError:  # a file system without hard links
        name.rename(destination)


def _start(headers: Mapping[str, str]) -> int | None:
    try:
        return ContentRange.parse(headers.get("Content-Range", "")).start
    except InvalidContentRange:
        return None
