"""Tarballs: files as one tar.gz stream, made while it is sent, in bounded memory."""

import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime

from attrs import frozen

from debusine.plugin import Damaged, in_thread
from debusine.services.gzip_streams import GzipStream

#: Bytes that are compressed in one hop to a thread, about.
BLOCK = 256 << 10

#: A tar file ends with two empty records, and is filled up to a whole number of blocks of twenty.
END = bytes(2 * tarfile.BLOCKSIZE)


@frozen(kw_only=True)
class Member:
    """A file in a tarball."""

    path: str
    #: Bytes; the content must have exactly as many.
    size: int
    #: Opens its content.
    content: Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]


async def tar_gz(members: Iterable[Member], modified: datetime) -> AsyncGenerator[bytes, None]:
    """Yield the stream; an error of a member's content comes out of it, and then it is not all."""
    stream = GzipStream()
    async with aclosing(_blocks(_tar(members, int(modified.timestamp())))) as blocks:
        async for block in blocks:
            if compressed := await in_thread(stream.add, block):
                yield compressed
    yield await in_thread(stream.finish)


async def _blocks(tar: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Small chunks put together: each block is a hop to a thread."""
    waiting: list[bytes] = []
    size = 0
    async with aclosing(tar) as chunks:
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= BLOCK:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)


async def _tar(members: Iterable[Member], modified: int) -> AsyncGenerator[bytes, None]:
    written = 0
    for member in members:
        async with aclosing(_member(member, modified)) as chunks:
            async for chunk in chunks:
                written += len(chunk)
                yield chunk
    yield END
    yield bytes(-(written + len(END)) % tarfile.RECORDSIZE)


async def _member(member: Member, modified: int) -> AsyncGenerator[bytes, None]:
    yield _header(member, modified)
    size = 0
    async with member.content() as chunks:
        async for chunk in chunks:
            size += len(chunk)
            yield chunk
    if size != member.size:
        raise Damaged(member.path, f"it has {size} bytes instead of {member.size}")
    yield bytes(-size % tarfile.BLOCKSIZE)


def _header(member: Member, modified: int) -> bytes:
    info = tarfile.TarInfo(member.path)
    info.size, info.mtime, info.mode = member.size, modified, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)
