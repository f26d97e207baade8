"""A file store in memory: for tests of what uses a store."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from debusine.plugin import File, FileMissing, FileStoreBackend, StoreData, StoredEntry, StoredObject, in_thread, now


@frozen(kw_only=True)
class MemoryOptions:
    """There is nothing to set."""


class MemoryFileStore(FileStoreBackend[MemoryOptions]):
    """Keeps files as long as the object lives."""

    name = "memory"
    Options = MemoryOptions

    #: Bytes of a chunk; small, so that small files have several.
    chunk = 1 << 16

    def __init__(self, options: MemoryOptions | None = None) -> None:
        super().__init__(options or MemoryOptions())
        self.objects: dict[str, tuple[bytes, StoredObject]] = {}
        self._numbers = itertools.count(1)

    async def store(self, file: File, source: Path) -> StoreData:
        """Read the source."""
        content = await in_thread(source.read_bytes)
        key = f"{file.hash_digest.hex()}-{next(self._numbers)}"
        self.objects[key] = (content, StoredObject(size=len(content), modified=now()))
        return {"key": key}

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give slices of the bytes."""
        content, _ = self._found(data)
        yield self._chunks(content[start:] if length is None else content[start : start + length])

    async def remove(self, file: File, data: StoreData) -> None:
        """Forget the bytes."""
        self._found(data)
        del self.objects[data["key"]]

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """Tell what was noted."""
        return self._found(data)[1]

    async def entries(self) -> AsyncIterator[StoredEntry]:
        """List a copy of the keys."""
        for key, (_, found) in list(self.objects.items()):
            yield StoredEntry(data={"key": key}, size=found.size, modified=found.modified)

    def _found(self, data: StoreData) -> tuple[bytes, StoredObject]:
        if data["key"] not in self.objects:
            raise FileMissing(data["key"])
        return self.objects[data["key"]]

    async def _chunks(self, content: bytes) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), self.chunk):
            yield content[start : start + self.chunk]
