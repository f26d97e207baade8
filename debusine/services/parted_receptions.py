"""Parted receptions: each request's bytes are in the store, part by part, before it is answered."""

from typing import NoReturn

from attrs import frozen

from debusine.domain.uploads import UploadPart
from debusine.plugin import Damaged, PartsGone, in_thread
from debusine.services.bodies import Body
from debusine.services.file_stores import Kept
from debusine.services.parted_uploads import PartedFile, Scratch
from debusine.services.partial_files import Known
from debusine.services.receptions import SURELY_NOT, PartLost, Progress, Reception, WrongContent, to_its_end
from debusine.services.spans import Span
from debusine.services.upload_records import StoredChunk, advance_parted, discard, parts_of


@frozen
class PartedReception(Reception):
    """Takes a chunk of a file whose store takes parts; this server's disk is needed only as long as that lasts."""

    async def take(self, file: PartedFile, span: Span, body: Body) -> Progress:
        """Pass on what is new in the request, then either go on later, here or elsewhere, or finish."""
        try:
            scratch = await file.scratch(len(span))
            try:
                return await self._pass_on(file, scratch, span, body)
            finally:
                await in_thread(scratch.file.remove)
        except PartsGone as error:
            return await self._recover(file, error)

    async def _pass_on(self, file: PartedFile, scratch: Scratch, span: Span, body: Body) -> Progress:
        last = span.stop == self.target.file.size
        try:
            parts = await file.send(scratch.file, span, body, self.turn)
            tail = None if last else await file.store_tail(scratch.file, sum(part.size for part in parts))
        except BaseException:
            if file.new:  # no row tells of it
                await file.abandon()
            raise
        if last:
            return await self._finish(file, scratch, parts)
        chunk = StoredChunk(store=file.parted.store, data=file.parted.data, parts=parts, tail=tail)
        return await self._advance(file, scratch, chunk, span.stop)

    async def _advance(self, file: PartedFile, scratch: Scratch, chunk: StoredChunk, received: int) -> Progress:
        """Commit what the store has; only then may the client hear of it."""
        subject, limit = self.wanted.subject, self.depot.limits.open_uploads
        try:
            await to_its_end(self.depot.database.write(advance_parted, self.target, subject, chunk, received, limit))
        except SURELY_NOT:  # after other errors the row may be there; if it is not, the store is tidied later
            await file.undo(chunk.tail)
            raise
        await file.drop_tail(file.parted.tail)
        if scratch.hash_known:
            self.depot.spool.remember(file.name, Known(received, scratch.file.keep().running))
        return Progress(received, complete=False)

    async def _finish(self, file: PartedFile, scratch: Scratch, new: list[UploadPart]) -> Progress:
        """Compare the hash, have the store put all together, and record both copy and completeness."""
        if scratch.hash_known and scratch.file.hash_digest != self.target.file.hash_digest:
            await self._discard(file)
            raise WrongContent(self.target.place.path)
        before = await self.depot.database.read(parts_of, self.target)
        try:
            kept = await file.finish([*before, *new])
        except Damaged as error:  # somebody else has put other parts there
            await self._discard(file)
            raise PartLost(self.target.place.path) from error
        if not scratch.hash_known and not await file.holds(kept):
            await self._refuse(file, kept)
        return await self._record(file, kept)

    async def _record(self, file: PartedFile, kept: Kept) -> Progress:
        self.depot.spool.forget(file.name)
        self.depot.stores.note_size(kept.store, self.target.file.size)
        await self.record(kept)
        await file.drop_tail(file.parted.tail)
        return self.whole

    async def _recover(self, file: PartedFile, error: PartsGone) -> Progress:
        """What was begun is gone: because it was finished, and the server died before it could say so, or for good."""
        if (kept := await file.finished_before()) is None:
            await self._discard(file)
            raise PartLost(self.target.place.path) from error
        if not await file.holds(kept):
            await self._refuse(file, kept)
        return await self._record(file, kept)

    async def _refuse(self, file: PartedFile, kept: Kept) -> NoReturn:
        await self._discard(file)
        await self.remove_copy(kept)
        raise WrongContent(self.target.place.path)

    async def _discard(self, file: PartedFile) -> None:
        """Forget the whole upload: first the row, then what the store has."""
        self.depot.spool.forget(file.name)
        await self.depot.database.write(discard, self.target)
        await file.abandon()
