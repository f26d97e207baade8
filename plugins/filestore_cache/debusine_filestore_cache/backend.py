"""The file store backend ``cache``: copies on a local disk of what another store holds."""

import asyncio
import contextlib
import errno
import getpass
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import field, frozen

from debusine.plugin import (
    ConfigurationError,
    Damaged,
    Digest,
    File,
    FileMissing,
    FileStoreBackend,
    Finding,
    Grade,
    StoreData,
    StoredEntry,
    StoredObject,
    Threads,
)
from debusine_filestore_cache.copies import Copy, Filling
from debusine_filestore_cache.directory import Directory
from debusine_filestore_cache.names import Name, name_of
from debusine_filestore_cache.stacking import store_behind

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Readers that wait for the disk at the same time.
THREADS = 8

#: Seconds in which a disk that fails is told of once: on a full one some copies find room and others do not.
QUIET = 3600

#: A directory that cannot be used at the start because somebody chose a wrong one; all else is a disk that fails.
MISTAKES = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG}


def _absolute(_: object, attribute: "attrs.Attribute[Any]", value: Path) -> None:
    if not value.is_absolute():
        message = f"{attribute.name} must be an absolute path, not {str(value)!r}."
        raise ValueError(message)


def _positive(_: object, attribute: "attrs.Attribute[Any]", value: int) -> None:
    if value <= 0:
        message = f"{attribute.name} must be more than 0, not {value}."
        raise ValueError(message)


@frozen(kw_only=True)
class CacheOptions:
    """The settings of a cache."""

    #: The name of the store that keeps the files.
    store: str
    #: Where the copies are, on a disk of this machine; made at the start if it is not there.
    directory: Path = field(validator=_absolute)
    #: Bytes that the copies take, at most.
    max_bytes: int = field(validator=_positive)


class CacheFileStore(FileStoreBackend[CacheOptions]):
    """Stands in front of another store: what is read from it is read from a copy the next time.

    All that matters is in the store behind, and its data is this one's; the copies may be deleted at any time.
    """

    name = "cache"
    Options = CacheOptions
    place = ("store",)

    def __init__(self, options: CacheOptions) -> None:
        super().__init__(options)
        self._directory = Directory(options.directory, options.max_bytes)
        self._threads = Threads(THREADS, "debusine-cache")
        self._behind: FileStoreBackend[Any] | None = None
        #: One for each copy that is being made, or verified, in this process.
        self._busy: dict[Name, Filling] = {}
        self._removing: Counter[Name] = Counter()
        #: Copies that were used and when, as long as it is not written down.
        self._uses: dict[Name, int] = {}
        self._noting: asyncio.Task[None] | None = None
        self._quiet_until = 0.0

    @classmethod
    def in_front_of(cls, store: FileStoreBackend[Any], options: CacheOptions) -> "CacheFileStore":
        """One that is bound already, for whoever has no farm."""
        cache = cls(options)
        cache.bind({options.store: store})
        return cache

    @property
    def fronts(self) -> Collection[str]:
        """The one store behind."""
        return (self.options.store,)

    def bind(self, stores: Mapping[str, FileStoreBackend[Any]]) -> None:
        """Meet the store behind, and take what it takes."""
        behind = store_behind(self, self.options.store, stores)
        if behind.fronts:
            behind.bind(stores)  # it may be this one's turn first, and what it takes is known only then
        self._behind = behind
        self.takes_content, self.takes_parts = behind.takes_content, behind.takes_parts
        self.smallest_part, self.largest_part = behind.smallest_part, behind.largest_part
        self.most_parts = behind.most_parts

    async def prepare(self) -> None:
        """Make the directory and clear what a crash left; a disk that fails is done without."""
        try:
            await self._threads.run(self._directory.prepare)
        except OSError as error:
            if error.errno in MISTAKES:
                user, directory = getpass.getuser(), self.options.directory
                raise ConfigurationError(
                    f"{directory} cannot keep a cache: {error.strerror}; "
                    f"make a directory that {user} may write to: install -d -o {user} -m 700 {directory}"
                ) from error
            self._fails(error)

    async def probe(self) -> None:
        """Ask the store behind; without a copy of anything the farm goes on."""
        await self._store.probe()

    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        """Clear copies that a crash kept from being finished; the store behind is tidied for itself."""
        return await self._tried(self._directory.recount) or 0

    async def examine(self) -> AsyncIterator[Finding]:
        """See whether the directory can be used; the store behind is examined for itself."""
        try:
            await self._threads.run(self._directory.recount)
            used = await self._threads.run(self._directory.used)
        except OSError as error:
            detail = (
                f"{self._reason(error)}; all is read from the store behind until {self.options.directory} can be used"
            )
            yield Finding(what="the directory of the cache", grade=Grade.LACKING, detail=detail)
        else:
            detail = f"{used} of {self.options.max_bytes} bytes are used"
            yield Finding(what="the directory of the cache", grade=Grade.GOOD, detail=detail)

    async def store(self, file: File, source: Path) -> StoreData:
        """Store it behind, and link the source as a copy where the file system allows it: soon it is read."""
        data: StoreData = await self._store.store(file, source)
        try:
            if file.size <= self.options.max_bytes:
                await self._tried(self._add_link, name_of(file, data), file, source)
        except BaseException:
            await _to_its_end(self._take_back(file, data))
            raise
        return data

    def store_content(self, file: File, content: bytes) -> StoreData:
        """Store it behind, and write a copy."""
        data: StoreData = self._store.store_content(file, content)
        with self._failures():
            if file.size <= self.options.max_bytes:
                self._directory.add_content(name_of(file, data), file, content)
        return data

    async def begin_parts(self, file: File) -> StoreData:
        """Parts go to the store behind."""
        return await self._store.begin_parts(file)

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        """Parts go to the store behind."""
        return await self._store.store_part(file, data, number, source, start, length)

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        """Parts become an object in the store behind; a copy is made when it is read."""
        return await self._store.finish_parts(file, data, parts)

    async def abandon_parts(self, file: File, data: StoreData) -> None:
        """Parts go from the store behind."""
        await self._store.abandon_parts(file, data)

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read the copy; without one, the object, of which a copy is made when all of it is read.

        One reader makes the copy. Others at the same time read from the store behind, so that nobody waits for a client
        that is slower. A part is only passed on: somebody wants few bytes of many, and the copy would have to be made
        by nobody's request.
        """
        name, end = name_of(file, data), file.size if length is None else min(start + length, file.size)
        async with AsyncExitStack() as stack:
            copy = await self._opened(name, file)
            if copy is not None:
                stack.push_async_callback(self._threads.run, copy.close)
                chunks = self._of_copy(copy, file, data, start, end)
            elif start == 0 and end == file.size and (filling := self._claimed(name, file)) is not None:
                stack.callback(self._busy.pop, name, None)
                chunks = self._filled(filling, await stack.enter_async_context(self._store.open(file, data)))
            else:
                yield await stack.enter_async_context(self._store.open(file, data, start, length))
                return
            yield await stack.enter_async_context(aclosing(chunks))

    async def remove(self, file: File, data: StoreData) -> None:
        """Drop the copy and remove the object; a copy that is being made meanwhile comes to nothing."""
        name = name_of(file, data)
        self._removing[name] += 1
        try:
            if name in self._busy:
                self._busy[name].unwanted = True
            await self._tried(self._directory.drop, name)
            await self._store.remove(file, data)
        finally:
            self._removing -= Counter([name])

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """What the store behind says."""
        return await self._store.stat(file, data)

    def entries(self) -> AsyncIterator[StoredEntry]:
        """What the store behind holds."""
        return self._store.entries()

    def local_path(self, file: File, data: StoreData) -> Path | None:
        """The copy, as far as this process knows it to be right; None: ``open`` reads it, and makes one.

        Never a path of the store behind, for then no copy would ever be made.
        """
        name = name_of(file, data)
        if not self._directory.is_verified(name):
            return None
        self._uses[name] = time.time_ns()
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_uses(), name="debusine-cache uses")
        return self._directory.path(name)

    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        """None when there is a copy, which is nearer; else what the store behind says."""
        if await self._tried(self._directory.has, name_of(file, data)):
            return None
        return await self._store.download_url(
            file, data, content_disposition=content_disposition, content_type=content_type
        )

    async def verify(self, file: File, data: StoreData) -> Digest:
        """Have the store behind read the object; a copy is verified when it is made and when it is first used."""
        return await self._store.verify(file, data)

    async def aclose(self) -> None:
        """Write down what was used, and let go of the threads; the store behind is closed by whoever made it."""
        if self._noting is not None:
            await self._noting
        self._threads.close()

    @property
    def _store(self) -> FileStoreBackend[Any]:
        assert self._behind is not None, "bind() was not called"
        return self._behind

    async def _opened(self, name: Name, file: File) -> Copy | None:
        """A copy that is right and open; None when there is none, or when it cannot be had at once."""
        copy, right = Copy(name), False
        try:
            if await self._tried(self._directory.open, copy, file):
                right = await self._tried(self._directory.knows, copy) or await self._is_right(copy, file)
        finally:
            if not right:
                await self._threads.run(copy.close)
        return copy if right else None

    async def _is_right(self, copy: Copy, file: File) -> bool:
        if copy.name in self._busy:
            return False
        self._busy[copy.name] = Filling(copy.name, file)
        try:
            return await self._tried(self._directory.verify, copy, file) or False
        finally:
            del self._busy[copy.name]

    async def _of_copy(
        self, copy: Copy, file: File, data: StoreData, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        """Chunks of a copy; from where it cannot be read on, of the object."""
        while start < end:
            block = await self._tried(copy.read, start, end - start)
            if not block:
                await self._tried(self._directory.drop, copy.name)
                async with self._store.open(file, data, start, end - start) as rest:
                    async for chunk in rest:
                        yield chunk
                return
            start += len(block)
            yield block

    def _claimed(self, name: Name, file: File) -> Filling | None:
        """The right to make a copy; None when it has no room, or somebody else makes or removes it."""
        if name in self._busy or name in self._removing or not 0 < file.size <= self.options.max_bytes:
            return None
        self._busy[name] = Filling(name, file)
        return self._busy[name]

    async def _filled(self, filling: Filling, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The chunks of the object, each written to its copy before it is given."""
        try:
            filling_goes_on = await self._tried(self._directory.begin, filling)
            async for chunk in chunks:
                if filling_goes_on:
                    filling_goes_on = await self._tried(self._fill, filling, chunk)
                yield chunk
        finally:
            await self._tried(self._directory.discard, filling)

    def _fill(self, filling: Filling, chunk: bytes) -> bool:
        """Append to a copy, and publish it as soon as it is whole: not every reader asks what comes after the end."""
        filling.write(chunk)
        if not filling.ends:
            return True
        if not filling.is_right:
            raise Damaged(filling.name, "the store behind the cache gave other bytes than were stored")
        self._directory.publish(filling)
        return False

    def _add_link(self, name: Name, file: File, source: Path) -> None:
        try:
            self._directory.add_link(name, file, source)
        except OSError as error:
            # On another file system a copy is made when the object is read: for most it would be for nothing.
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
                raise

    async def _take_back(self, file: File, data: StoreData) -> None:
        with contextlib.suppress(FileMissing):
            await self.remove(file, data)

    async def _note_uses(self) -> None:
        while self._uses:
            uses, self._uses = self._uses, {}
            await self._tried(self._directory.note_uses, uses)

    async def _tried(self, function: Callable[..., T], *arguments: Any) -> T | None:
        """What a function of the directory returns; None, and a line in the log, when the disk fails."""
        with self._failures():
            return await self._threads.run(function, *arguments)
        return None

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fails(error)

    def _fails(self, error: OSError) -> None:
        if time.monotonic() > self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET
            message = "The cache in %s cannot be used just now, so files are read from the store %s: %s"
            logger.warning(message, self.options.directory, self.options.store, self._reason(error))

    def _reason(self, error: OSError) -> str:
        return error.strerror or str(error)


async def _to_its_end(call: Awaitable[None]) -> None:
    """Wait for a call, however often this task is cancelled meanwhile."""
    task = asyncio.ensure_future(call)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    await task
