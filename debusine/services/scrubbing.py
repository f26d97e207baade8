"""Scrubbing: what stores keep is read again, and what is damaged is replaced by a good copy."""

import logging
from collections.abc import AsyncGenerator
from datetime import datetime

from attrs import frozen

from debusine.domain.errors import DebusineError
from debusine.domain.files import File, FileInStore, SetAside
from debusine.plugin import Damaged, FileMissing, StoreData
from debusine.services.copy_records import Loss
from debusine.services.copying import condemn, give, must_answer
from debusine.services.receptions import Depot

logger = logging.getLogger(__name__)

#: Copies that are looked up at a time.
BATCH = 100


@frozen
class Scrubbed:
    """What was found of one copy."""

    file: File
    #: What was wrong with it; None: nothing.
    reason: SetAside | None = None
    #: Whether the store has a good copy again, if something was wrong.
    replaced: bool = False
    #: Whether there is no good copy anywhere.
    lost: bool = False


async def scrub(
    depot: Depot, store: int, *, before: datetime, budget: int | None = None
) -> AsyncGenerator[Scrubbed, None]:
    """Read again what nobody has read since a moment, the longest unread first, until so many bytes are read."""
    left, known = budget, set[int]()
    while batch := await depot.database.read(lambda uow: uow.stored_files.unread_since(store, before, limit=BATCH)):
        if known.issuperset(copy.id for copy, _ in batch):
            return  # read, and still old: the clocks of two servers differ
        known = {copy.id for copy, _ in batch}
        for copy, file in batch:
            if left is not None and left <= 0:
                return
            yield await check_copy(depot, copy, file)
            if left is not None:
                left -= max(1, file.size)


async def check_copy(depot: Depot, copy: FileInStore, file: File) -> Scrubbed:
    """Read a copy again; a bad one is set aside, and replaced if the file is good anywhere."""
    found = await _look(depot, copy, file)
    if found is None:
        await depot.database.write(lambda uow: uow.stored_files.mark_verified(copy.id, uow.now))
        return Scrubbed(file)
    reason, detail = found
    loss = await condemn(depot, copy, file, reason, detail)
    return Scrubbed(file, reason, replaced=await _replace(depot, copy, file, loss), lost=bool(loss and not loss.others))


async def _look(depot: Depot, copy: FileInStore, file: File) -> tuple[SetAside, str] | None:
    try:
        with depot.stores.watching(copy.store) as backend:
            digest = await backend.verify(file, StoreData(copy.data))
    except FileMissing as error:
        await must_answer(depot, copy.store)
        return SetAside.LOST, str(error)
    except Damaged as error:
        return SetAside.DAMAGED, str(error)
    if digest == file.digest:
        return None
    return SetAside.DAMAGED, f"it has {digest.size} bytes with the hash {digest.hex}"


async def _replace(depot: Depot, copy: FileInStore, file: File, loss: Loss | None) -> bool:
    if loss is None or not loss.others or not depot.stores.policies_of(copy.store).takes_copies:
        return False
    try:
        return await give(depot, file, copy.store)
    except (DebusineError, OSError) as error:
        logger.error("A good copy of %s could not be made: %s", file.hash_digest.hex(), error)
        return False
