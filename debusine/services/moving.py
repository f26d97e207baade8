"""Moving: everything, or what is too much, from one store to others, with nothing unreadable at any moment.

A file is copied, the new copy is recorded, and only then the old one is let go; its object stays for a while, for those
who have begun to read it. Whatever interrupts this, it goes on where it was: each file is moved by itself.
"""

import logging
from collections.abc import AsyncGenerator
from datetime import timedelta

from attrs import frozen

from debusine.domain.errors import DebusineError, StorageFull
from debusine.domain.files import File, FileInStore
from debusine.plugin import FileMissing, StoreData
from debusine.services.copy_records import let_go
from debusine.services.copying import give
from debusine.services.receptions import Depot

logger = logging.getLogger(__name__)

#: Copies that are looked up at a time.
BATCH = 100


class NoReceiver(StorageFull):
    """No other store takes what should move."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No other store takes what the store {name} has")


@frozen
class Moved:
    """What became of one file."""

    file: File
    #: Why it is still where it was; None: it is not.
    failure: str | None = None


async def move_all(depot: Depot, store: int, to: int | None, *, verify: bool = False) -> AsyncGenerator[Moved, None]:
    """Move everything that is in a store now, the first ones first; ``to``: the only store that may get it.

    What fails is left where it is, told, and passed over.
    """
    after = 0
    while batch := await depot.database.read(
        lambda uow, last: uow.stored_files.in_store(store, after=last, limit=BATCH), after
    ):
        for copy, file in batch:
            yield await _move(depot, copy, file, to, verify=verify)
            after = copy.id


async def move_excess(depot: Depot, store: int, to: int | None) -> AsyncGenerator[Moved, None]:
    """Move what came first until a store has not more than its soft limit."""
    async for moved in move_all(depot, store, to):
        yield moved
        if depot.stores.above_soft_limit(store) <= 0:
            return


async def remove_due(depot: Depot, store: int) -> int:
    """Remove the objects of copies that were let go long enough ago; returns how many."""
    removed = 0
    while due := await depot.database.read(lambda uow: uow.set_aside.due(store, uow.now, limit=BATCH)):
        for copy, file in due:
            try:
                with depot.stores.watching(store) as backend:
                    await backend.remove(file, StoreData(copy.data))
            except FileMissing:
                pass  # somebody has died between the two steps
            await depot.database.write(lambda uow, gone: uow.set_aside.delete(gone), copy.id)
            removed += 1
    return removed


async def _move(depot: Depot, copy: FileInStore, file: File, to: int | None, *, verify: bool) -> Moved:
    receivers = (to,) if to is not None else depot.stores.receivers(file.size, of=copy.store)
    failure = NoReceiver(depot.stores.name_of(copy.store)).title
    for receiver in receivers:
        try:
            if await give(depot, file, receiver, verify=verify):
                await _let_go(depot, copy, file, receiver)
                return Moved(file)
        except (DebusineError, OSError) as error:
            failure = str(error)
    return Moved(file, failure)


async def _let_go(depot: Depot, copy: FileInStore, file: File, receiver: int) -> None:
    grace = timedelta(seconds=depot.limits.copy_removal)
    if await depot.database.write(lambda uow: let_go(uow, copy, held_by=receiver, grace=grace)):
        depot.stores.note_size(copy.store, -file.size)
