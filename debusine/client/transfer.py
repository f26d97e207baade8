"""What uploads and downloads share: blocks of files, progress, several at once."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from debusine.client.errors import SourceChanged

#: Told after each block: the path in the artifact, its bytes done so far (which may fall after a restart), its size.
Progress: TypeAlias = Callable[[str, int, int], None]

#: Bytes read or written at a time, in a thread.
BLOCK = 1 << 20
#: Files that travel at the same time.
LANES = 4


def no_progress(_path: str, _done: int, _size: int) -> None:
    """Tell nobody."""


async def read_blocks(source: Path, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Read a local file from ``start`` up to, not including, ``stop``; ``SourceChanged`` when it ends early."""
    while start < stop:
        block = await asyncio.to_thread(_read, source, start, min(BLOCK, stop - start))
        start += len(block)
        yield block


def _read(source: Path, start: int, length: int) -> bytes:
    """One block; the file is open for no longer, so that nothing stays open when the transfer is cancelled."""
    with source.open("rb", buffering=0) as stream:
        block = os.pread(stream.fileno(), length, start)
    if not block:
        raise SourceChanged(source)
    return block


async def in_lanes(jobs: Iterable[Callable[[], Awaitable[object]]], lanes: int = LANES) -> None:
    """Do all jobs, some at the same time; the first failure stops the others and is raised."""
    waiting = iter(jobs)

    async def lane() -> None:
        for job in waiting:
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
