"""Uploads: how the bytes of a file come in, chunk by chunk, so that no acknowledged one is ever lost."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from attrs import field, frozen

from debusine.config import Limits
from debusine.db.database import Database
from debusine.domain.errors import Conflict, DebusineError, NotFound, StorageFull, TooMany
from debusine.domain.uploads import UploadTarget
from debusine.plugin import StoreData, WriteFailed, in_thread
from debusine.protocol.ranges import ContentRange
from debusine.services.bodies import Body
from debusine.services.file_stores import FileStores
from debusine.services.partial_files import BytesLost, PartialFile
from debusine.services.spans import Span, check_size
from debusine.services.spool import Spool
from debusine.services.turns import Turn, Turns
from debusine.services.upload_records import Wanted, advance, complete, discard, find_target

#: Bytes of a file that is held in memory when it comes in one request: as many as a connection holds anyway.
SMALL = 64 << 10

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After these errors a transaction has surely not happened; after others (a lost connection) nobody knows.
SURELY_NOT = (Conflict, NotFound, StorageFull, TooMany)


class WrongContent(Conflict):
    """All bytes came, and they are not those that were declared."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The content of {path!r} does not have the declared hash", detail="Send all of it again")


class PartLost(Conflict):
    """What has come so far is not on the disk any more."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The first part of {path!r} was lost", detail="Send all of it again")


@frozen
class Progress:
    """How far a file is: the durable offset, and whether it is complete."""

    received: int
    complete: bool

    @classmethod
    def of(cls, target: UploadTarget) -> "Progress":
        """As the database knows it."""
        return cls(target.received, target.place.complete)


@frozen
class Uploads:
    """What all uploads of one process share."""

    database: Database
    stores: FileStores
    spool: Spool
    limits: Limits
    turns: Turns = field(factory=Turns)

    async def prepare(self) -> None:
        """Drop what a crash has left in the spool; before the first request."""
        names = await self.database.read(lambda uow: uow.uploads.names())
        if dropped := await in_thread(self.spool.drop_others, names):
            logger.info("Dropped %d partial files that belong to no upload", dropped)

    async def probe(self, wanted: Wanted, size: int | None) -> Progress:
        """How far a file is."""
        target = await self.database.read(find_target, wanted)
        check_size(size, target)
        return Progress.of(target)

    async def receive(self, wanted: Wanted, part: ContentRange | None, body: Body) -> Progress:
        """Take a chunk, or without ``part`` the whole file; what the answer says is on disk."""
        with self.turns.watch((wanted.artifact, wanted.path)) as watch:
            target = await self.database.read(find_target, wanted)
            span = Span.of(part, target, body.length, self.limits)
            if not span.missing(target.received):
                await body.drain(len(span))
                return Progress.of(target)
            async with watch.take_turn() as turn:
                if turn.late:
                    target = await self.database.read(find_target, wanted)
                return await Reception(self, wanted, target, turn).take(span, body)


@frozen
class Reception:
    """One request that has the turn to write a file."""

    uploads: Uploads
    wanted: Wanted
    target: UploadTarget
    turn: Turn

    async def take(self, span: Span, body: Body) -> Progress:
        """Write what is new in the request, then either go on later or finish."""
        if not span.missing(self.target.received):  # whoever was overtaken had done it already
            await body.drain(len(span))
            return Progress.of(self.target)
        if self._fits_into_memory(span):
            content = await body.whole(len(span), turn=self.turn)
            return await self._take_content(content)
        partial = self._partial(len(span))
        try:
            await body.fill(partial, len(span), skip=self.target.received - span.start, turn=self.turn)
            if partial.written < self.target.file.size:  # else the store sees to it
                await in_thread(partial.sync)
        except BytesLost as error:
            await self._discard(partial)
            raise PartLost(self.target.place.path) from error
        except BaseException:
            await self._undo(partial)
            raise
        if partial.written < self.target.file.size:
            return await self._advance(partial)
        return await self._finish(partial)

    def _fits_into_memory(self, span: Span) -> bool:
        """Whether the request brings a whole file that is taken in one hop to a thread."""
        target = self.target
        if target.upload is not None or target.stored or not len(span) == target.file.size <= SMALL:
            return False
        return self.uploads.stores.by_id(target.store).takes_content

    async def _take_content(self, content: bytes) -> Progress:
        kept: list[StoreData] = []
        try:
            await in_thread(self._keep_content, content, kept)
        except asyncio.CancelledError:
            await self._remove_copy(*kept)
            raise
        await self._record(*kept)
        return Progress(self.target.file.size, complete=True)

    def _keep_content(self, content: bytes, kept: list[StoreData]) -> None:
        """Hash, compare, store, sync; blocks. What ``kept`` says then is also for who is cancelled meanwhile."""
        self.uploads.spool.check_space(len(content))
        if not self.target.file.holds(content):
            raise WrongContent(self.target.place.path)
        kept.append(self.uploads.stores.keep_content(self.target.store, self.target.file, content))

    def _partial(self, wanted: int) -> PartialFile:
        upload, spool = self.target.upload, self.uploads.spool
        return spool.begin(wanted) if upload is None else spool.resume(upload.path, upload.received, wanted)

    async def _advance(self, partial: PartialFile) -> Progress:
        """Commit the offset of what is on the disk; only then may the client hear of it."""
        subject, limit = self.wanted.subject, self.uploads.limits.open_uploads
        try:
            # To its end, also when this request is cancelled: nobody else may have the turn while it is on its way.
            await to_its_end(
                self.uploads.database.write(advance, self.target, subject, partial.name, partial.written, limit)
            )
        except SURELY_NOT:
            await self._undo(partial)
            raise
        except BaseException:
            partial.close()  # what the database says counts, and the next request asks it
            raise
        self.uploads.spool.remember(partial.name, partial.keep())
        partial.close()
        return Progress(partial.written, complete=False)

    async def _finish(self, partial: PartialFile) -> Progress:
        """Compare the hash, hand the file to the store, which syncs it, and record both copy and completeness."""
        partial.close()
        if partial.hash_digest != self.target.file.hash_digest:
            await self._discard(partial)
            raise WrongContent(self.target.place.path)
        try:
            await self._store(partial)
        except WriteFailed:  # the source is not to be trusted any more, either
            await self._discard(partial)
            raise
        finally:
            # Of an upload in chunks the file stays until it is complete: the next request goes on with it.
            if self.target.upload is None:
                await in_thread(partial.remove)
        if self.target.upload is not None:
            await in_thread(partial.remove)
        return Progress(self.target.file.size, complete=True)

    async def _store(self, partial: PartialFile) -> None:
        stores, target = self.uploads.stores, self.target
        await self._record(None if target.stored else await stores.keep(target.store, target.file, partial.path))

    async def _record(self, data: Mapping[str, Any] | None) -> None:
        """Commit that the file is complete; ``data`` finds the new copy, which goes again when it is not needed."""
        try:
            needed = await self.uploads.database.write(complete, self.target, data)
        except SURELY_NOT:
            await self._remove_copy(data)
            raise
        if not needed:
            await self._remove_copy(data)

    async def _remove_copy(self, data: Mapping[str, Any] | None = None) -> None:
        """Let go of a copy that no row speaks of; when that fails, the sweep finds it."""
        if data is None:
            return
        try:
            await self.uploads.stores.by_id(self.target.store).remove(self.target.file, dict(data))
        except (DebusineError, OSError) as error:
            logger.warning("The needless copy %s stays in its store for now: %s", data, error)

    async def _undo(self, partial: PartialFile) -> None:
        """Leave everything as it was before the request; drop all when the disk cannot be trusted."""
        if partial.failed:
            await self._discard(partial)
        else:
            await in_thread(partial.cut_back)

    async def _discard(self, partial: PartialFile) -> None:
        """Forget the whole upload: first the row, then the bytes."""
        self.uploads.spool.forget(partial.name)
        if self.target.upload is not None:
            await self.uploads.database.write(discard, self.target)
        await in_thread(partial.remove)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for something that goes on also when the one who waits is cancelled, who hears of it only at the end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
