"""Uploads: one file on its way to the server, whole or in chunks, resumed where it broke."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from http import HTTPStatus
from pathlib import Path

import aiohttp
from attrs import frozen
from yarl import URL

from debusine.client.answers import refuse
from debusine.client.backoff import Retries
from debusine.client.connection import Connection
from debusine.client.errors import (
    Busy,
    Conflicting,
    ContentRefused,
    InvalidAnswer,
    SourceChanged,
    StaleAttempt,
    Unreachable,
)
from debusine.client.transfer import BLOCK, Progress, no_progress, read_blocks
from debusine.protocol.ranges import ContentRange, parse_received

#: Bytes; a file of more travels in chunks of this size.
CHUNK = 50 << 20
#: How often a file is begun when the server finds other bytes than were declared.
TRIES = 3
#: Seconds without progress, while the server is away, after which an upload is given up.
PATIENCE = 60.0
#: Seconds: a server that was started again hashes what it has of a file before it answers to the last chunk.
ANSWER_TIMEOUT = 600.0


@frozen(kw_only=True)
class Upload:
    """One file of an artifact on its way to the server."""

    connection: Connection
    url: URL
    path: str
    source: Path
    #: Bytes.
    size: int
    progress: Progress = no_progress
    #: Bytes.
    chunk: int = CHUNK

    async def run(self) -> None:
        """Send it until the server has it whole; nothing is kept in memory but a block.

        Raises ``ContentRefused`` when the server found other bytes than were declared three times, ``SourceChanged``,
        ``Refused``, or ``Unreachable`` when the server stayed away too long.
        """
        for _ in range(TRIES):
            try:
                return await self._send()
            except StaleAttempt:
                raise
            except Conflicting:
                self._check_source()
        raise ContentRefused(self.path, TRIES)

    async def _send(self) -> None:
        retries = Retries(self.connection.backoff.patient(PATIENCE))
        while True:
            try:
                await self._go_on(retries)
            except (Unreachable, Busy) as error:
                self._check_source()
                await retries.after(error)
            else:
                self.progress(self.path, self.size, self.size)
                return

    async def _go_on(self, retries: Retries) -> None:
        """Send all that the server does not have yet."""
        offset = await self._begin()
        while offset is not None:
            self.progress(self.path, offset, self.size)
            offset = await self._put(offset)
            retries.reset()

    async def _begin(self) -> int | None:
        """Where to go on; None: the server has it all."""
        return 0 if self.size <= self.chunk else await self._probe()

    async def _probe(self) -> int | None:
        headers = {"Content-Range": str(ContentRange(None, None, self.size)), "Content-Length": "0"}
        async with self._request(headers, None) as response:
            return await self._next_offset(response, more=HTTPStatus.PARTIAL_CONTENT, done=HTTPStatus.OK)

    async def _put(self, offset: int) -> int | None:
        """Send the next chunk, or the whole of a small file; returns where to go on, None at the end."""
        stop = min(offset + self.chunk, self.size)
        headers = {"Content-Length": str(stop - offset)}
        if stop - offset < self.size:
            headers["Content-Range"] = str(ContentRange(offset, stop, self.size))
        async with self._request(headers, await self._body(offset, stop)) as response:
            received = await self._next_offset(response, more=HTTPStatus.OK, done=HTTPStatus.CREATED)
        if received is not None and received <= offset:
            raise InvalidAnswer(str(self.url), f"it has {received} bytes after byte {stop - 1} was sent")
        return received

    async def _body(self, start: int, stop: int) -> bytes | AsyncIterator[bytes]:
        self._check_source()
        if self.size <= BLOCK:
            return await asyncio.to_thread(self.source.read_bytes)
        return self._told_blocks(start, stop)

    async def _told_blocks(self, start: int, stop: int) -> AsyncIterator[bytes]:
        async with aclosing(read_blocks(self.source, start, stop)) as blocks:
            async for block in blocks:
                yield block
                start += len(block)
                self.progress(self.path, start, self.size)

    async def _next_offset(self, response: aiohttp.ClientResponse, *, more: int, done: int) -> int | None:
        if response.status == done:
            return None
        if response.status != more:
            await refuse(response)
        received = parse_received(response.headers.get("Range"))
        if received is None or received > self.size:
            raise InvalidAnswer(str(self.url), f"its Range header is {response.headers.get('Range')!r}")
        return received

    def _request(
        self, headers: dict[str, str], body: bytes | AsyncIterator[bytes] | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.connection.request("PUT", self.url, headers=headers, data=body, patience=ANSWER_TIMEOUT)

    def _check_source(self) -> None:
        try:
            fits = self.source.stat().st_size == self.size
        except OSError:
            fits = False
        if not fits:
            raise SourceChanged(self.source)
