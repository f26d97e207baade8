"""What must hold when objects are read."""

import asyncio

import pytest

from debusine.plugin import DebusineError, StoreData
from debusine.testing.file_stores.suite import MIB, Backend, FileStoreSuite, content, stored
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

SIZE = 2 * MIB + 100

#: Start and length of ranges in an object of SIZE bytes; the last ones reach beyond its end.
RANGES = [
    (0, None),
    (0, 0),
    (0, 1),
    (1, 1),
    (0, SIZE),
    (SIZE - 1, None),
    (SIZE - 1, 1),
    (SIZE, None),
    (SIZE, 0),
    (MIB - 1, 2),
    (MIB, MIB),
    (5, MIB + 5),
    (SIZE - 10, 1000),
    (0, SIZE + 1),
]

#: What is held in memory for one reader, at most.
LARGEST_CHUNK = 8 * MIB


class Reading(FileStoreSuite):
    """Reading gives the right bytes or an error, from any place, in pieces that fit into memory."""

    @pytest.mark.parametrize(("start", "length"), RANGES)
    async def test_a_range_is_read(self, backend: Backend, sources: Sources, start: int, length: int | None) -> None:
        """From ``start``, ``length`` bytes or up to the end, whatever comes first."""
        source = sources.of_size(SIZE)
        got = await content(backend, source, await stored(backend, source), start, length)
        expected = source.content[start:] if length is None else source.content[start : start + length]
        call = f"open(start={start}, length={length}) of {SIZE} bytes"
        require(len(got) == len(expected), f"{call} must give {len(expected)} bytes, not {len(got)}")
        require(got == expected, f"{call} gives the wrong bytes")

    async def test_a_range_of_an_empty_object_is_empty(self, backend: Backend, sources: Sources) -> None:
        """There is nothing to give, and nothing to complain about."""
        source = sources.of(b"")
        data = await stored(backend, source)
        for start, length in ((0, None), (0, 0), (0, 10)):
            got = await content(backend, source, data, start, length)
            require(got == b"", f"open(start={start}, length={length}) of an empty object must give nothing")

    async def test_chunks_are_bytes_and_small_enough(self, backend: Backend, sources: Sources) -> None:
        """A server reads for many clients at once."""
        source = sources.of_size(2 * LARGEST_CHUNK)
        async with backend.open(source.file, await stored(backend, source)) as chunks:
            async for chunk in chunks:
                require(isinstance(chunk, bytes), f"chunks must be bytes, not {type(chunk).__name__}")
                require(len(chunk) <= LARGEST_CHUNK, f"a chunk has {len(chunk)} bytes, more than {LARGEST_CHUNK}")

    async def test_many_read_at_the_same_time(self, backend: Backend, sources: Sources) -> None:
        """Readers of one object do not move each other's place."""
        source = sources.of_size(SIZE)
        data = await stored(backend, source)
        parts = await asyncio.gather(*(content(backend, source, data, start=part * 1000) for part in range(8)))
        right = [got == source.content[part * 1000 :] for part, got in enumerate(parts)]
        require(all(right), f"{right.count(False)} of {len(right)} readers of one object got wrong bytes")

    async def test_a_removal_during_the_reading_is_not_told_by_missing_bytes(
        self, backend: Backend, sources: Sources
    ) -> None:
        """The reader gets everything, or an error."""
        source = sources.of_size(4 * MIB)
        data = await stored(backend, source)
        try:
            got = await read_while_removing(backend, source, data)
        except (DebusineError, OSError):
            return
        require(got == source.content, "a reader must get all the bytes or an error when the object is removed")

    async def test_verify_tells_what_is_there(self, backend: Backend, sources: Sources) -> None:
        """The digest of a good object is that of its file."""
        for source in (sources.of_size(SIZE), sources.of(b"")):
            digest = await backend.verify(source.file, await stored(backend, source))
            require(digest == source.file.digest, f"verify() of a good object must give its digest, not {digest}")

    async def test_verify_finds_a_changed_byte(self, backend: Backend, sources: Sources) -> None:
        """It must read the bytes again, not trust what was noted when they were stored."""
        self.needs_override("corrupt", "verify() finds a changed byte")
        source = sources.of_size(SIZE)
        data = await stored(backend, source)
        await self.corrupt(backend, source, data)
        digest = await backend.verify(source.file, data)
        require(digest != source.file.digest, "verify() must read the object again and find a changed byte")

    async def test_a_local_path_leads_to_the_bytes(self, backend: Backend, sources: Sources) -> None:
        """The server sends it to clients by sendfile."""
        source = sources.of_size(SIZE)
        path = backend.local_path(source.file, await stored(backend, source))
        self.needs("local_path", path is not None, "local_path() returns None, files are not sent by sendfile")
        assert path is not None
        require(path.read_bytes() == source.content, f"local_path() leads to {path}, which has other bytes")


async def read_while_removing(backend: Backend, source: Source, data: StoreData) -> bytes:
    """Read the first chunk, remove the object, read the rest."""
    async with backend.open(source.file, data) as chunks:
        parts = [await anext(chunks)]
        await backend.remove(source.file, data)
        return b"".join([*parts, *[chunk async for chunk in chunks]])
