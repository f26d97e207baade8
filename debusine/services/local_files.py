"""Local files: the fastest way to the bytes that lie in a file of this machine."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from debusine.domain.files import File
from debusine.plugin import Damaged, FileMissing, in_thread

#: Bytes of a chunk that is read from memory; larger ones were slower.
CACHED = 256 << 10
#: Bytes of a chunk for which a thread goes to the disk.
UNCACHED = 1 << 20
#: Chunks after which everybody else gets a turn, when neither disk nor client make the reader wait.
TURN = 16

#: Read only what is in memory; 0 where the system does not know that.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


@asynccontextmanager
async def local_chunks(path: Path, file: File, start: int, length: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """Read a part of a local file; ``FileMissing`` and ``Damaged`` as ``FileStoreBackend.open`` has them."""
    descriptor = await in_thread(_open, path, file)
    try:
        async with aclosing(_chunks(descriptor, path, start, start + length)) as chunks:
            yield chunks
    finally:
        os.close(descriptor)


def _open(path: Path, file: File) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise FileMissing(path.name) from error
    size = os.fstat(descriptor).st_size
    if size != file.size:
        os.close(descriptor)
        raise Damaged(path.name, f"it has {size} bytes instead of {file.size}")
    return descriptor


async def _chunks(descriptor: int, path: Path, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    since_turn = 0
    while start < stop:
        chunk = _cached(descriptor, min(CACHED, stop - start), start)
        since_turn += 1
        if not chunk:
            chunk = await in_thread(os.pread, descriptor, min(UNCACHED, stop - start), start)
        elif since_turn >= TURN:
            since_turn = 0
            await asyncio.sleep(0)
        if not chunk:
            raise Damaged(path.name, f"it ends at byte {start}")
        start += len(chunk)
        yield chunk


def _cached(descriptor: int, size: int, start: int) -> bytes:
    """What can be had without waiting for the disk; nothing when that cannot be known."""
    if not _NOWAIT:
        return b""
    buffer = bytearray(size)
    try:
        count = os.preadv(descriptor, [buffer], start, _NOWAIT)
    except OSError:  # it must be waited for, or the file system cannot tell
        return b""
    return memoryview(buffer)[:count]  # type: ignore[return-value] # writers take any buffer, and a copy costs time
