"""A file store in memory: for tests of what uses a store."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import Factory, field, frozen

from debusine.plugin import (
    File,
    FileMissing,
    FileStoreBackend,
    Invalid,
    PartsGone,
    StoreData,
    StoredEntry,
    StoredObject,
    in_thread,
    now,
)

#: What was begun longer ago than this is let go of, unless it is known to go on.
ABANDONED = timedelta(days=1)


@frozen(kw_only=True)
class MemoryOptions:
    """What the store shall be able to do beyond what every store can."""

    takes_content: bool = False
    takes_parts: bool = False


@frozen(kw_only=True)
class Begun:
    """An object that comes in parts: each with its hash, by number."""

    at: datetime = Factory(now)
    parts: dict[int, tuple[str, bytes]] = field(factory=dict, repr=False)


@frozen
class Memory:
    """What is kept; several stores share one as those of several servers share a bucket."""

    objects: dict[str, tuple[bytes, StoredObject]] = field(factory=dict, repr=False)
    begun: dict[str, Begun] = Factory(dict)
    numbers: Iterator[int] = Factory(itertools.count)


class MemoryFileStore(FileStoreBackend[MemoryOptions]):
    """Keeps files as long as the object lives, and fails or waits when a test wants it to.

    ``takes_content`` and ``takes_parts`` are switched on by the options, on the class, or on the object.
    """

    name = "memory"
    Options = MemoryOptions
    place: ClassVar[Collection[str] | None] = ()
    #: Small, so that small files have several parts.
    smallest_part = 1000
    largest_part = 1 << 30
    most_parts = 1000

    #: Bytes of a chunk; small, so that small files have several.
    chunk = 1 << 16

    def __init__(self, options: MemoryOptions | None = None, memory: Memory | None = None) -> None:
        super().__init__(options or MemoryOptions())
        self.takes_content |= self.options.takes_content
        self.takes_parts |= self.options.takes_parts
        self.memory = memory or Memory()
        #: What a method raises, by its name; "chunk": every reading, when its next chunk is due.
        self.failures: dict[str, Exception] = {}
        #: What a method waits for before it does anything, by its name; "chunk" as above.
        self.gates: dict[str, asyncio.Event] = {}
        #: Seconds that every method takes before it does anything.
        self.delay = 0.0

    @property
    def objects(self) -> dict[str, tuple[bytes, StoredObject]]:
        """All that is kept, by key; for tests to look at and to damage."""
        return self.memory.objects

    def shares_place_with(self, other: FileStoreBackend[Any]) -> bool:
        """Whether it is the same memory."""
        return isinstance(other, MemoryFileStore) and other.memory is self.memory

    async def prepare(self) -> None:
        """Fail when a test wants it."""
        await self._called("prepare")

    async def probe(self) -> None:
        """Fail when a test wants it."""
        await self._called("probe")

    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        """Forget the parts of what nobody knows of."""
        await self._called("tidy")
        known = {data["key"] for data in unfinished}
        old = [key for key, begun in self.memory.begun.items() if begun.at < now() - ABANDONED and key not in known]
        for key in old:
            del self.memory.begun[key]
        return len(old)

    async def store(self, file: File, source: Path) -> StoreData:
        """Read the source."""
        await self._called("store")
        return self._keep(self._new_key(file), await in_thread(source.read_bytes))

    def store_content(self, file: File, content: bytes) -> StoreData:
        """Keep the content."""
        self._may_fail("store_content")
        return self._keep(self._new_key(file), content)

    async def begin_parts(self, file: File) -> StoreData:
        """Make room for parts."""
        await self._called("begin_parts")
        key = self._new_key(file)
        self.memory.begun[key] = Begun()
        return {"key": key}

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        """Read a piece of the source."""
        await self._called("store_part")
        if not 1 <= number <= self.most_parts or length > self.largest_part:
            message = f"Part {number} of {length} bytes is one too many, or too large"
            raise Invalid(message)
        content = await in_thread(_piece, source, start, length)
        digest = hashlib.sha256(content).hexdigest()
        self._begun(data).parts[number] = (digest, content)
        return {"number": number, "sha256": digest}

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        """Join the parts."""
        await self._called("finish_parts")
        if data["key"] in self.objects:
            return {"key": data["key"]}
        contents = [self._part(data, part) for part in parts]
        if any(len(content) < self.smallest_part for content in contents[:-1]):
            message = f"Each part but the last one must have at least {self.smallest_part} bytes"
            raise Invalid(message)
        del self.memory.begun[data["key"]]
        return self._keep(data["key"], b"".join(contents))

    async def abandon_parts(self, file: File, data: StoreData) -> None:
        """Forget the parts."""
        await self._called("abandon_parts")
        self.memory.begun.pop(data["key"], None)

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give slices of the bytes."""
        await self._called("open")
        content, _ = self._found(data)
        yield self._chunks(content[start:] if length is None else content[start : start + length])

    async def remove(self, file: File, data: StoreData) -> None:
        """Forget the bytes."""
        await self._called("remove")
        self._found(data)
        del self.objects[data["key"]]

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """Tell what was noted."""
        await self._called("stat")
        return self._found(data)[1]

    async def entries(self) -> AsyncIterator[StoredEntry]:
        """List a copy of the keys."""
        await self._called("entries")
        for key, (_, found) in list(self.objects.items()):
            yield StoredEntry(data={"key": key}, size=found.size, modified=found.modified)

    async def _called(self, method: str) -> None:
        await asyncio.sleep(self.delay)
        await self._may_go_on(method)

    async def _may_go_on(self, method: str) -> None:
        if method in self.gates:
            await self.gates[method].wait()
        self._may_fail(method)

    def _may_fail(self, method: str) -> None:
        if method in self.failures:
            raise self.failures[method]

    def _new_key(self, file: File) -> str:
        return f"{file.hash_digest.hex()}-{next(self.memory.numbers)}"

    def _keep(self, key: str, content: bytes) -> StoreData:
        self.objects[key] = (content, StoredObject(size=len(content), modified=now()))
        return {"key": key}

    def _found(self, data: StoreData) -> tuple[bytes, StoredObject]:
        if data["key"] not in self.objects:
            raise FileMissing(data["key"])
        return self.objects[data["key"]]

    def _begun(self, data: StoreData) -> Begun:
        if data["key"] not in self.memory.begun:
            raise PartsGone(data["key"])
        return self.memory.begun[data["key"]]

    def _part(self, data: StoreData, part: StoreData) -> bytes:
        digest, content = self._begun(data).parts.get(part["number"], ("", b""))
        if digest != part["sha256"]:
            raise PartsGone(f"part {part['number']} of {data['key']}")
        return content

    async def _chunks(self, content: bytes) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), self.chunk):
            await self._may_go_on("chunk")
            yield content[start : start + self.chunk]


def _piece(source: Path, start: int, length: int) -> bytes:
    with source.open("rb") as stream:
        stream.seek(start)
        content = stream.read(length)
    if len(content) != length:
        message = f"{source} has {len(content)} bytes from byte {start}, not {length}"
        raise Invalid(message)
    return content
