"""Spooled receptions: a file is whole on this server's disk, or in its memory, before a store gets it."""

import asyncio

from attrs import frozen

from debusine.plugin import WriteFailed, in_thread
from debusine.services.bodies import Body
from debusine.services.file_stores import Kept
from debusine.services.partial_files import BytesLost, PartialFile
from debusine.services.receptions import SURELY_NOT, PartLost, Progress, Reception, WrongContent, to_its_end
from debusine.services.spans import Span
from debusine.services.upload_records import advance, discard

#: Bytes of a file that is held in memory when it comes in one request: as many as a connection holds anyway.
SMALL = 64 << 10


@frozen
class SpooledReception(Reception):
    """Takes what has to be known as a whole before a store sees any of it."""

    async def take(self, span: Span, body: Body) -> Progress:
        """Write what is new in the request, then either go on later or finish."""
        if self._fits_into_memory(span):
            content = await body.whole(len(span), turn=self.turn)
            return await self._take_content(content)
        return await self._take_partial(span, body)

    def _fits_into_memory(self, span: Span) -> bool:
        """Whether the request brings a whole file that is taken in one hop to a thread."""
        target = self.target
        if target.upload is not None or target.stored is not None or not len(span) == target.file.size <= SMALL:
            return False
        return self.depot.stores.by_id(target.stores[0]).takes_content

    async def _take_content(self, content: bytes) -> Progress:
        kept: list[Kept] = []
        try:
            await in_thread(self._keep_content, content, kept)
        except asyncio.CancelledError:
            await self.remove_copy(*kept)
            raise
        await self.record(*kept)
        return self.whole

    def _keep_content(self, content: bytes, kept: list[Kept]) -> None:
        """Hash, compare, store, sync; blocks. What ``kept`` says then is also for who is cancelled meanwhile."""
        self.depot.spool.check_space(len(content))
        if not self.target.file.holds(content):
            raise WrongContent(self.target.place.path)
        kept.append(self.depot.stores.keep_content(self.target.stores, self.target.file, content))

    async def _take_partial(self, span: Span, body: Body) -> Progress:
        """Write it to this server's disk, where the file is until all of it has come."""
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

    def _partial(self, wanted: int) -> PartialFile:
        upload, spool = self.target.upload, self.depot.spool
        return spool.begin(wanted) if upload is None else spool.resume(upload.path, upload.received, wanted)

    async def _advance(self, partial: PartialFile) -> Progress:
        """Commit the offset of what is on the disk; only then may the client hear of it."""
        subject, limit = self.wanted.subject, self.depot.limits.open_uploads
        try:
            # To its end, also when this request is cancelled: nobody else may have the turn while it is on its way.
            await to_its_end(
                self.depot.database.write(advance, self.target, subject, partial.name, partial.written, limit)
            )
        except SURELY_NOT:
            await self._undo(partial)
            raise
        except BaseException:
            partial.close()  # what the database says counts, and the next request asks it
            raise
        self.depot.spool.remember(partial.name, partial.keep())
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
        return self.whole

    async def _store(self, partial: PartialFile) -> None:
        stores, target = self.depot.stores, self.target
        needed = target.stored is None
        await self.record(await stores.keep(target.stores, target.file, partial.path) if needed else None)

    async def _undo(self, partial: PartialFile) -> None:
        """Leave everything as it was before the request; drop all when the disk cannot be trusted."""
        if partial.failed:
            await self._discard(partial)
        else:
            await in_thread(partial.cut_back)

    async def _discard(self, partial: PartialFile) -> None:
        """Forget the whole upload: first the row, then the bytes."""
        self.depot.spool.forget(partial.name)
        if self.target.upload is not None:
            await self.depot.database.write(discard, self.target)
        await in_thread(partial.remove)
