"""The file store backend ``local``: a directory of this machine."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from debusine.plugin import (
    Digest,
    File,
    FileStoreBackend,
    Finding,
    ObjectKey,
    StoreData,
    StoredEntry,
    StoredObject,
    check_cancelled,
    data_of,
    in_thread,
    key_of,
    new_key,
    now,
)
from debusine_filestore_local.examination import Examination
from debusine_filestore_local.filesystem import FileSystem
from debusine_filestore_local.nesting import overlap
from debusine_filestore_local.objects import Objects
from debusine_filestore_local.reader import Reader
from debusine_filestore_local.translation import (
    errors_of_finding,
    errors_of_preparing,
    errors_of_storing,
    errors_of_the_place,
)

#: What has been on its way for longer than this was left behind by a crash.
ABANDONED = timedelta(days=1)

#: Objects listed in one hop to a thread.
BATCH = 1000


def _absolute(_: object, attribute: "attrs.Attribute[Any]", value: Path) -> None:
    if not value.is_absolute():
        message = f"{attribute.name} must be an absolute path, not {str(value)!r}."
        raise ValueError(message)


@frozen(kw_only=True)
class LocalOptions:
    """The settings of a store in a directory."""

    #: Where the files are kept; made at the start if it is not there. Of this store alone.
    base_directory: Path = field(validator=_absolute)


class LocalFileStore(FileStoreBackend[LocalOptions]):
    """Keeps files in a directory, as hard links of what was uploaded where the file system allows it."""

    name = "local"
    takes_content = True
    Options = LocalOptions

    def __init__(self, options: LocalOptions, filesystem: FileSystem | None = None) -> None:
        super().__init__(options)
        self._filesystem = filesystem or FileSystem()
        self._objects = Objects(options.base_directory, self._filesystem)

    def shares_place_with(self, other: FileStoreBackend[Any]) -> bool:
        """Whether the directories are one, by whatever names, or one lies in the other."""
        assert isinstance(other, LocalFileStore)
        return overlap(self.options.base_directory, other.options.base_directory)

    async def prepare(self) -> None:
        """Make the directory, and try to write in it."""
        await in_thread(self._prepare)

    async def probe(self) -> None:
        """Try to write in the directory; one that is not there stays away."""
        await in_thread(self._probe)

    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        """Sweep what a crash left behind."""
        return await in_thread(self._sweep)

    async def examine(self) -> AsyncIterator[Finding]:
        """See what the file system does for the store, and who else may do something in it."""
        for finding in await in_thread(Examination(self._objects).findings):
            yield finding

    async def store(self, file: File, source: Path) -> StoreData:
        """Link or copy the source; its bytes and its name are on the disk when this returns."""
        key = new_key(file)
        try:
            await in_thread(self._add, file, source, key)
        except asyncio.CancelledError:
            # The thread may have come to its end before anybody could tell it.
            await in_thread(self._objects.discard, key)
            raise
        return data_of(key)

    def store_content(self, file: File, content: bytes) -> StoreData:
        """Write the bytes where ``store`` would link them; they and their name are on the disk when this returns."""
        key = new_key(file)
        with errors_of_storing(self._objects, file):
            self._objects.add_content(content, key)
        return data_of(key)

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read blocks of 1 MiB in a thread; a removal meanwhile does not disturb them."""
        end = file.size if length is None else min(start + length, file.size)
        key = key_of(data)
        async with (
            self._reader(file, key, Reader.open_undamaged) as reader,
            aclosing(self._chunks(reader, key, start, end)) as chunks,
        ):
            yield chunks

    async def remove(self, file: File, data: StoreData) -> None:
        """Take the object's name away."""
        await in_thread(self._remove, key_of(data))

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """Ask the file system."""
        return await in_thread(self._stat, key_of(data))

    async def entries(self) -> AsyncIterator[StoredEntry]:
        """List the objects."""
        walk = self._objects.walk()
        try:
            while batch := await in_thread(self._batch, walk):
                for entry in batch:
                    yield entry
        finally:
            await in_thread(walk.close)

    def local_path(self, file: File, data: StoreData) -> Path | None:
        """The object itself."""
        return self._objects.path(key_of(data))

    async def verify(self, file: File, data: StoreData) -> Digest:
        """Hash the object in one go in a thread."""
        async with self._reader(file, key_of(data), Reader.open) as reader:
            return await in_thread(self._digest, reader, key_of(data))

    @asynccontextmanager
    async def _reader(self, file: File, key: ObjectKey, opening: Callable[[Reader], None]) -> AsyncIterator[Reader]:
        reader = Reader(self._objects.path(key), file, self._filesystem)
        try:
            await in_thread(self._open, reader, key, opening)
            yield reader
        finally:
            await in_thread(reader.close)

    async def _chunks(self, reader: Reader, key: ObjectKey, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            block = await in_thread(self._read, reader, key, start, end - start)
            start += len(block)
            yield block

    def _prepare(self) -> None:
        with errors_of_preparing(self._objects):
            self._objects.prepare()

    def _probe(self) -> None:
        with errors_of_the_place(self._objects):
            self._objects.try_out()

    def _add(self, file: File, source: Path, key: ObjectKey) -> None:
        with errors_of_storing(self._objects, file):
            self._objects.add(file, source, key)

    def _open(self, reader: Reader, key: ObjectKey, opening: Callable[[Reader], None]) -> None:
        with errors_of_finding(self._objects, key):
            opening(reader)

    def _read(self, reader: Reader, key: ObjectKey, offset: int, size: int) -> bytes:
        with errors_of_finding(self._objects, key):
            return reader.read(offset, size)

    def _remove(self, key: ObjectKey) -> None:
        with errors_of_finding(self._objects, key):
            self._objects.remove(key)

    def _stat(self, key: ObjectKey) -> StoredObject:
        with errors_of_finding(self._objects, key):
            return self._objects.stat(key)

    def _sweep(self) -> int:
        with errors_of_the_place(self._objects):
            return self._objects.sweep(now() - ABANDONED)

    def _batch(self, walk: Iterator[StoredEntry]) -> list[StoredEntry]:
        with errors_of_the_place(self._objects):
            return list(itertools.islice(walk, BATCH))

    def _digest(self, reader: Reader, key: ObjectKey) -> Digest:
        running, size = hashlib.new(File.current_hash_algorithm), 0
        with errors_of_finding(self._objects, key):
            while block := reader.read_whole(size):
                running.update(block)
                size += len(block)
                check_cancelled()
        return Digest(hash_digest=running.digest(), size=size)
