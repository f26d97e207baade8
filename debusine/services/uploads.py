"""Uploads: how the bytes of a file come in, chunk by chunk, so that no acknowledged one is ever lost."""

import logging

from attrs import field, frozen

from debusine.domain.uploads import UploadTarget
from debusine.plugin import in_thread
from debusine.protocol.ranges import ContentRange
from debusine.services.bodies import Body
from debusine.services.parted_receptions import PartedReception
from debusine.services.parted_uploads import PartedFile
from debusine.services.receptions import Depot, Progress
from debusine.services.spans import Span, check_size
from debusine.services.spooled_receptions import SpooledReception
from debusine.services.turns import Turn, Turns
from debusine.services.upload_records import Wanted, find_target, why_none_takes

logger = logging.getLogger(__name__)


@frozen
class Uploads(Depot):
    """What all uploads of one process share."""

    turns: Turns = field(factory=Turns)

    async def prepare(self) -> None:
        """Drop what a crash has left in the spool; before the first request."""
        names = await self.database.read(lambda uow: uow.uploads.names())
        if dropped := await in_thread(self.spool.drop_others, names):
            logger.info("Dropped %d partial files that belong to no upload", dropped)

    async def probe(self, wanted: Wanted, size: int | None) -> Progress:
        """How far a file is."""
        target = await self._find(wanted)
        check_size(size, target)
        return Progress.of(target)

    async def receive(self, wanted: Wanted, part: ContentRange | None, body: Body) -> Progress:
        """Take a chunk, or without ``part`` the whole file; what the answer says is on disk."""
        with self.turns.watch((wanted.artifact, wanted.path)) as watch:
            target = await self._find(wanted)
            span = Span.of(part, target, body.length, self.limits)
            if not span.missing(target.received):
                await body.drain(len(span))
                return Progress.of(target)
            async with watch.take_turn() as turn:
                if turn.late:
                    target = await self._find(wanted)
                return await self._take(wanted, target, turn, span, body)

    async def _take(self, wanted: Wanted, target: UploadTarget, turn: Turn, span: Span, body: Body) -> Progress:
        if not span.missing(target.received):  # whoever was overtaken had done it already
            await body.drain(len(span))
            return Progress.of(target)
        await self._check_taker(target)
        if parted := await self._parted(target, span):
            return await PartedReception(self, wanted, target, turn).take(parted, span, body)
        return await SpooledReception(self, wanted, target, turn).take(span, body)

    async def _check_taker(self, target: UploadTarget) -> None:
        """Refuse what no store would keep, before it is sent in vain."""
        if not target.stores and target.stored is None and target.parted is None:
            raise await self.database.read(why_none_takes, target, self.stores)

    async def _parted(self, target: UploadTarget, span: Span) -> PartedFile | None:
        """The file in its store, if the request brings a part of it; a whole one is taken as quickly without."""
        if target.upload is None and len(span) == target.file.size:
            return None
        return await PartedFile.begin(self.stores, self.spool, target)

    async def _find(self, wanted: Wanted) -> UploadTarget:
        return await self.database.read(find_target, wanted, self.stores)
