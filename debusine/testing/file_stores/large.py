"""What must hold of large objects."""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Iterable
from pathlib import Path

from attrs import frozen

from debusine.plugin import File, StoreData
from debusine.testing.file_stores.suite import MIB, Backend, FileStoreSuite, listed
from debusine.testing.requirements import require

GIB = 1 << 30

#: Few bytes in a file of holes: at its start, across the 4 GiB that 32 bits can count, and at its end.
MARKS = ((0, b"the start"), (4 * GIB - 4, b"across 4 GiB"), (5 * GIB, b"the end"))

#: More than S3 takes at once. Its hash is written down here, because it would take many seconds to calculate.
HUGE = File(sha256=bytes.fromhex("c7430c7cba79292c247b759b5f66fe66ebd12226508da415b8711cd75f8a0edb"), size=5 * GIB + 7)


@frozen
class LargeSource:
    """A local file of holes."""

    file: File
    path: Path


class Large(FileStoreSuite):
    """However large an object is, it is kept and read in little memory."""

    async def test_storing_a_large_file_takes_little_memory(self, backend: Backend, tmp_path: Path) -> None:
        """A server stores for many at once."""
        source = self._source(tmp_path)
        peak = await peak_of(backend.store(source.file, source.path))
        require(peak <= self._memory, f"store() of {source.file.size >> 20} MiB {self._too_much(peak)}")

    async def test_reading_a_large_object_takes_little_memory(self, backend: Backend, tmp_path: Path) -> None:
        """A server reads for many at once, and for clients that are slower than the store."""
        source = self._source(tmp_path)
        data = await backend.store(source.file, source.path)
        peak = await peak_of(read_slowly(backend, source, data))
        require(peak <= self._memory, f"reading of {source.file.size >> 20} MiB {self._too_much(peak)}")
        peak = await peak_of(backend.verify(source.file, data))
        require(peak <= self._memory, f"verify() of {source.file.size >> 20} MiB {self._too_much(peak)}")

    async def test_storing_a_large_part_takes_little_memory(self, backend: Backend, tmp_path: Path) -> None:
        """A part may be as large as an object."""
        self.needs_parts(backend)
        source = self._source(tmp_path)
        data = await backend.begin_parts(source.file)
        length = min(source.file.size, backend.largest_part)
        peak = await peak_of(backend.store_part(source.file, data, 1, source.path, 0, length))
        require(peak <= self._memory, f"store_part() of {length >> 20} MiB {self._too_much(peak)}")

    async def test_an_object_may_have_more_than_5_gib(self, backend: Backend, tmp_path: Path) -> None:
        """More than 32 bits can count, and more than S3 takes at once."""
        self.needs("large", self.large, "the class does not say `large = True`, 5 GiB would take too long here")
        path = holes(tmp_path / "huge", HUGE.size, MARKS)
        data = await backend.store(HUGE, path)
        size = (await backend.stat(HUGE, data)).size
        require(size == HUGE.size, f"stat() must tell the size of a huge object, {HUGE.size}, not {size}")
        sizes = [entry.size for entry in await listed(backend)]
        require(sizes == [HUGE.size], f"entries() must list a huge object with its size, {HUGE.size}, not {sizes}")
        for start, mark in MARKS:
            async with backend.open(HUGE, data, start, len(mark)) as chunks:
                got = b"".join([chunk async for chunk in chunks])
            require(
                got == mark, f"open(start={start}, length={len(mark)}) of a huge object gives the wrong bytes: {got!r}"
            )
        await backend.remove(HUGE, data)

    @property
    def _memory(self) -> int:
        assert self.memory is not None
        return self.memory

    def _source(self, directory: Path) -> LargeSource:
        """A file that is twice as large as the memory that may be used."""
        self.needs("memory", self.memory is not None, "the class says `memory = None`, objects are kept in memory")
        path = holes(directory / "large", 2 * self._memory, [(0, b"the start"), (2 * self._memory - 7, b"the end")])
        return LargeSource(File.from_local_path(path), path)

    def _too_much(self, peak: int) -> str:
        return (
            f"takes {peak / MIB:.0f} MiB of memory, more than the class allows (`memory`, {self._memory / MIB:.0f} MiB)"
        )


def holes(path: Path, size: int, marks: Iterable[tuple[int, bytes]]) -> Path:
    """Make a file that takes next to no disk."""
    with path.open("wb") as stream:
        stream.truncate(size)
        for start, mark in marks:
            stream.seek(start)
            stream.write(mark)
    return path


async def read_slowly(backend: Backend, source: LargeSource, data: StoreData) -> None:
    """Read all, a little slower than it comes."""
    async with backend.open(source.file, data) as chunks:
        async for _ in chunks:
            await asyncio.sleep(0.001)


async def peak_of(call: Awaitable[object]) -> int:
    """Bytes of Python's memory that a call had at once, in whatever thread."""
    gc.collect()
    tracemalloc.start()
    try:
        await call
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
