"""Parted uploads: chunks go to the store as they come, so that the next one may come to any server.

What was acknowledged is in the store, in parts that nobody sees until they are put together. The local disk holds the
bytes of a request only while it lasts. A chunk that is too small for a part becomes an object of its own, the *tail*,
and goes into the first part of the next chunk.
"""

import asyncio
import hashlib
import logging
from typing import Any

from attrs import frozen

from debusine.domain.errors import DebusineError
from debusine.domain.files import File
from debusine.domain.uploads import PartedUpload, Tail, UploadPart, UploadTarget
from debusine.plugin import Damaged, FileMissing, FileStoreBackend, PartsGone, StoreData, in_thread
from debusine.services.bodies import Body
from debusine.services.file_stores import FileStores, Kept
from debusine.services.partial_files import PartialFile
from debusine.services.spans import Span
from debusine.services.spool import Spool

logger = logging.getLogger(__name__)

#: Bytes of a part, unless the store or the file's size demands more: several of a chunk are on their way at a time.
PART = 8 << 20


def cut(size: int, *, part: int, least: int, last: bool) -> list[int]:
    """The sizes of the parts that so many bytes become; none when they are too few, unless they are the last."""
    if size < least and not last:
        return []
    count = max(1, size // part)
    share, more = divmod(size, count)
    return [share + (number < more) for number in range(count)]


@frozen
class Scratch:
    """A local file with the bytes of one request, after those of the tail before it."""

    file: PartialFile
    #: Whether its hash is that of all that has come until now: not if some of it came to another server.
    hash_known: bool


@frozen
class PartedFile:
    """A file that goes into a store part by part."""

    stores: FileStores
    spool: Spool
    target: UploadTarget
    parted: PartedUpload

    @classmethod
    async def begin(cls, stores: FileStores, spool: Spool, target: UploadTarget) -> "PartedFile | None":
        """One that is to go on, or a new one in the best store that takes parts; None: that store takes none."""
        if target.parted is not None:
            return cls(stores, spool, target, target.parted)
        if target.upload is not None or not target.stores:
            return None
        best = next((store for store in target.stores if stores.health_of(store).takes), target.stores[0])
        if not stores.by_id(best).takes_parts:
            return None
        with stores.watching(best, writing=True) as backend:
            data = await backend.begin_parts(target.file)
        return cls(stores, spool, target, PartedUpload(store=best, data=data))

    @property
    def backend(self) -> FileStoreBackend[Any]:
        """The store's backend."""
        return self.stores.by_id(self.parted.store)

    @property
    def name(self) -> str:
        """Under which the spool remembers the running hash."""
        return f"place-{self.target.place.id}"

    @property
    def new(self) -> bool:
        """Whether no request before this one has come to its end."""
        return self.target.upload is None

    def cut(self, size: int, *, last: bool) -> list[int]:
        """The sizes of the parts that so many bytes become."""
        least = max(self.backend.smallest_part, -(-self.target.file.size // (self.backend.most_parts - 1)))
        return cut(size, part=max(PART, least), least=least, last=last)

    async def scratch(self, wanted: int) -> Scratch:
        """A local file for so many bytes that come, with the tail in it."""
        received = self.target.received
        known = self.spool.known(self.name, received)
        running = known.running if known is not None else None
        file = self.spool.begin(wanted, running, lasting=False)
        try:
            await self._fetch_tail(file)
        except BaseException:
            await in_thread(file.remove)
            raise
        return Scratch(file, hash_known=running is not None or received == 0)

    async def send(self, scratch: PartialFile, span: Span, body: Body, turn: Any) -> list[UploadPart]:
        """Take a request's body, and have the store keep each part of it as soon as it is here."""
        last = span.stop == self.target.file.size
        tail = scratch.written
        sizes = self.cut(tail + span.stop - self.target.received, last=last)
        try:
            async with asyncio.TaskGroup() as group:
                sending = Sending(self, scratch, group, sizes)
                skip = self.target.received - span.start
                await body.fill(scratch, len(span), skip=skip, turn=turn, told=sending.go_on)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the others were told to stop because of it
        return [task.result() for task in sending.tasks]

    async def store_part(self, scratch: PartialFile, number: int, start: int, length: int) -> UploadPart:
        """Have the store keep a part."""
        with self.stores.watching(self.parted.store, writing=True) as backend:
            data = await backend.store_part(
                self.target.file, dict(self.parted.data), number, scratch.path, start, length
            )
        return UploadPart(number=number, size=length, data=data)

    async def store_tail(self, scratch: PartialFile, start: int) -> Tail | None:
        """Have the store keep what is left after the last part, for the next request."""
        if start == scratch.written:
            return None
        content = await in_thread(scratch.read, start)
        file = File(sha256=hashlib.sha256(content).digest(), size=len(content))
        async with self.spool.small_file(content) as path:
            kept = await self.stores.keep_in(self.parted.store, file, path)
        return Tail(sha256=file.sha256, size=file.size, data=kept.data)

    async def drop_tail(self, tail: Tail | None) -> None:
        """Let go of a tail that is not needed any more; when that fails, it is an orphan for the sweep."""
        if tail is None:
            return
        try:
            await self.backend.remove(tail.file, dict(tail.data))
        except (DebusineError, OSError) as error:
            logger.warning("The needless object %s stays in its store for now: %s", tail.data, error)

    async def undo(self, tail: Tail | None) -> None:
        """Let go of what a request has made that was not recorded; a part that stays is replaced by the next one."""
        await self.drop_tail(tail)
        if self.new:
            await self.abandon()

    async def finish(self, parts: list[UploadPart]) -> Kept:
        """Have the store put all parts together."""
        data = [dict(part.data) for part in parts]
        with self.stores.watching(self.parted.store, writing=True) as backend:
            return Kept(self.parted.store, await backend.finish_parts(self.target.file, dict(self.parted.data), data))

    async def finished_before(self) -> Kept | None:
        """The whole object, if the parts were put together and nobody came to record it; its hash is not known."""
        data = dict(self.parted.data)
        try:
            with self.stores.watching(self.parted.store) as backend:
                found = await backend.stat(self.target.file, data)
                if found.size != self.target.file.size:
                    return None
                return Kept(self.parted.store, await backend.finish_parts(self.target.file, data, []))
        except FileMissing:
            return None

    async def holds(self, kept: Kept) -> bool:
        """Read an object again: whether it is the file."""
        with self.stores.watching(kept.store) as backend:
            return await backend.verify(self.target.file, kept.data) == self.target.file.digest

    async def abandon(self) -> None:
        """Let go of all that the store has; when that fails, the store is tidied later."""
        await abandon(self.stores, self.target.file, self.parted)

    async def _fetch_tail(self, file: PartialFile) -> None:
        tail = self.parted.tail
        if tail is None:
            return
        try:
            with self.stores.watching(self.parted.store) as backend:
                async with backend.open(tail.file, dict(tail.data)) as chunks:
                    content = b"".join([chunk async for chunk in chunks])
        except (Damaged, FileMissing) as error:
            raise PartsGone(f"the end of what has come of {self.target.place.path!r}") from error
        if not tail.file.holds(content):
            raise PartsGone(f"the end of what has come of {self.target.place.path!r} as it was")
        await in_thread(file.put_back, content)


class Sending:
    """The parts of one request on their way into the store."""

    def __init__(self, file: PartedFile, scratch: PartialFile, group: asyncio.TaskGroup, sizes: list[int]) -> None:
        self.file = file
        self.scratch = scratch
        self.group = group
        self.waiting = list(sizes)
        self.tasks: list[asyncio.Task[UploadPart]] = []
        self._start = 0

    def go_on(self) -> None:
        """Send every part that is here as a whole."""
        while self.waiting and self._start + self.waiting[0] <= self.scratch.written:
            length = self.waiting.pop(0)
            number = self.file.parted.parts + len(self.tasks) + 1
            part = self.file.store_part(self.scratch, number, self._start, length)
            self.tasks.append(self.group.create_task(part))
            self._start += length


async def abandon(stores: FileStores, file: File, parted: PartedUpload) -> None:
    """Let go of all that a store has of an upload; when that fails, the store is tidied later."""
    try:
        backend = stores.by_id(parted.store)
        await backend.abandon_parts(file, StoreData(parted.data))
        if parted.tail is not None:
            await backend.remove(parted.tail.file, StoreData(parted.tail.data))
    except (DebusineError, OSError) as error:
        logger.warning("What was begun in its store stays there for now: %s", error)
