"""Receptions: what one request does that has the turn to write a file, whatever way its bytes take."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import frozen

from debusine.config import Limits
from debusine.db.database import Database
from debusine.domain.errors import Conflict, DebusineError, NotFound, StorageFull, TooMany
from debusine.domain.files import File
from debusine.domain.uploads import UploadTarget
from debusine.services.file_stores import FileStores, Kept
from debusine.services.spool import Spool
from debusine.services.turns import Turn
from debusine.services.upload_records import Wanted, complete, recorded

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After these errors a transaction has surely not happened; after others (a lost connection) nobody knows.
SURELY_NOT = (Conflict, NotFound, StorageFull, TooMany)


class WrongContent(Conflict):
    """All bytes came, and they are not those that were declared."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The content of {path!r} does not have the declared hash", detail="Send all of it again")


class PartLost(Conflict):
    """What has come so far is not there any more."""

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
class Depot:
    """Where the bytes of one process may go, and where that is written down."""

    database: Database
    stores: FileStores
    spool: Spool
    limits: Limits


@frozen
class Reception:
    """One request that has the turn to write a file."""

    depot: Depot
    wanted: Wanted
    target: UploadTarget
    turn: Turn

    @property
    def whole(self) -> Progress:
        """What is answered once all of the file is there."""
        return Progress(self.target.file.size, complete=True)

    async def record(self, kept: Kept | None) -> None:
        """Commit that the file is complete; the new copy goes again when it is not needed."""
        try:
            needed = await self.depot.database.write(complete, self.target, kept)
        except SURELY_NOT:
            if kept is not None and not await self.depot.database.read(recorded, self.target, kept):
                await self.remove_copy(kept)
            raise
        if not needed:
            await self.remove_copy(kept)

    async def remove_copy(self, kept: Kept | None = None) -> None:
        """Let go of a copy that no row speaks of; when that fails, the sweep finds it."""
        if kept is not None:
            await remove_object(self.depot.stores, self.target.file, kept)


async def remove_object(stores: FileStores, file: File, kept: Kept) -> None:
    """Let go of an object that no row speaks of; when that fails, the sweep finds it."""
    try:
        await stores.by_id(kept.store).remove(file, kept.data)
    except (DebusineError, OSError) as error:
        logger.warning("The needless copy %s stays in its store for now: %s", kept.data, error)
    else:
        stores.note_size(kept.store, -file.size)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for something that goes on also when the one who waits is cancelled, who hears of it only at the end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
