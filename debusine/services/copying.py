"""Copying: a file from one store to another, its bytes checked on the way; what is found damaged is set aside."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from debusine.domain.errors import DebusineError, Unavailable
from debusine.domain.files import File, FileInStore, SetAside
from debusine.plugin import Damaged, FileMissing, StoreData, in_thread
from debusine.services.copy_records import Loss, add_copy, copies_of, set_aside
from debusine.services.file_stores import Kept
from debusine.services.partial_files import PartialFile
from debusine.services.receptions import Depot, remove_object

logger = logging.getLogger(__name__)

#: Bytes that are written in one hop to a thread, about.
BLOCK = 1 << 20


class NoGoodCopy(Unavailable):
    """No store gives the bytes of a file as they were."""

    def __init__(self, file: File) -> None:
        super().__init__(f"No store gives the file {file.hash_digest.hex()} just now")


async def copy_file(depot: Depot, file: File, sources: Sequence[FileInStore], to: int) -> Kept:
    """Have another store keep a file; no row tells of the new object yet."""
    async with fetched(depot, file, sources) as partial:
        return await depot.stores.keep_in(to, file, partial.path)


async def give(depot: Depot, file: File, to: int, *, verify: bool = False) -> bool:
    """See that a store has a file that others have; ``verify`` reads the new object again. False: it is not wanted."""
    sources = await depot.database.read(copies_of, file.id)
    if any(copy.store == to for copy in sources):
        return True
    kept = await copy_file(depot, file, sources, to)
    if verify:
        await _check(depot, file, kept)
    if await depot.database.write(add_copy, file, kept):
        return True
    await remove_object(depot.stores, file, kept)
    return any(copy.store == to for copy in await depot.database.read(copies_of, file.id))


async def must_answer(depot: Depot, store: int) -> None:
    """``Unavailable`` when a store is away as a whole: then it has lost nothing, whatever it does not show."""
    with depot.stores.watching(store) as backend:
        await backend.probe()


async def condemn(depot: Depot, copy: FileInStore, file: File, reason: SetAside, detail: str) -> Loss | None:
    """Count a copy no more that is not what it should be, and say so in the log."""
    loss = await depot.database.write(set_aside, copy, reason, detail)
    if loss is not None:
        depot.stores.note_size(copy.store, -file.size)
        fate = f"{len(loss.others)} other copies" if loss.others else f"NO OTHER: lost to {loss.incomplete} artifacts"
        name = file.hash_digest.hex()
        store = depot.stores.name_of(copy.store)
        logger.error("The copy of %s in store %s is %s (%s); %s", name, store, reason, detail, fate)
    return loss


@asynccontextmanager
async def fetched(depot: Depot, file: File, sources: Sequence[FileInStore]) -> AsyncIterator[PartialFile]:
    """A local file with the right bytes, gone with the block; ``NoGoodCopy`` when no copy gives them."""
    for copy in sources:
        partial = depot.spool.begin(file.size)
        try:
            if await _fetch(depot, file, copy, partial):
                yield partial
                return
        finally:
            await in_thread(partial.remove)
    raise NoGoodCopy(file)


async def _fetch(depot: Depot, file: File, copy: FileInStore, partial: PartialFile) -> bool:
    try:
        await _read(depot, file, copy, partial)
    except FileMissing as error:
        await _condemn_missing(depot, copy, file, error)
    except Damaged as error:
        await condemn(depot, copy, file, SetAside.DAMAGED, str(error))
    except (Unavailable, OSError) as error:
        store = depot.stores.name_of(copy.store)
        logger.warning("The copy %s in store %s cannot be read just now: %s", copy.id, store, error)
    else:
        if partial.written == file.size and partial.hash_digest == file.hash_digest:
            return True
        await condemn(depot, copy, file, SetAside.DAMAGED, f"it has the hash {partial.hash_digest.hex()}")
    return False


async def _condemn_missing(depot: Depot, copy: FileInStore, file: File, error: FileMissing) -> None:
    try:
        await must_answer(depot, copy.store)
    except (Unavailable, OSError) as away:
        logger.warning("The copy %s in store %s: %s", copy.id, depot.stores.name_of(copy.store), away)
    else:
        await condemn(depot, copy, file, SetAside.LOST, str(error))


async def _read(depot: Depot, file: File, copy: FileInStore, partial: PartialFile) -> None:
    await in_thread(partial.write, [])  # there is a file then, also for no bytes
    with depot.stores.watching(copy.store) as backend:
        async with backend.open(file, StoreData(copy.data)) as chunks:
            waiting: list[bytes] = []
            async for chunk in chunks:
                waiting.append(chunk)
                if sum(map(len, waiting)) >= BLOCK:
                    await in_thread(partial.write, waiting)
                    waiting = []
            await in_thread(partial.write, waiting)


async def _check(depot: Depot, file: File, kept: Kept) -> None:
    """Read a new object again before anybody relies on it."""
    try:
        with depot.stores.watching(kept.store) as backend:
            found = await backend.verify(file, kept.data)
    except (DebusineError, OSError):
        await remove_object(depot.stores, file, kept)
        raise
    if found != file.digest:
        await remove_object(depot.stores, file, kept)
        raise Damaged(f"the new copy of {file.hash_digest.hex()}", "it was read back with other bytes")
