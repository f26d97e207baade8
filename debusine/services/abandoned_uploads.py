"""Abandoned uploads: what nobody has gone on with for long costs no disk any more."""

import time
from datetime import timedelta

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.files import File
from debusine.domain.uploads import IdleUpload, PartedUpload
from debusine.plugin import in_thread
from debusine.services.parted_uploads import abandon
from debusine.services.receptions import to_its_end
from debusine.services.uploads import Uploads

#: Uploads that are looked for at a time.
MOST = 1000

#: A file that no row speaks of may be the beginning of an upload; it is written at least this often.
SURELY = 10


async def collect(uploads: Uploads) -> int:
    """Forget every upload whose last byte came too long ago; one that moves stays. Returns how many there were."""
    idle = await uploads.database.read(_idle, timedelta(seconds=uploads.limits.upload_idle))
    collected = [each for each in idle if await _collect(uploads, each)]
    return len(collected) + await _drop_strays(uploads)


async def _collect(uploads: Uploads, idle: IdleUpload) -> bool:
    thing = (idle.artifact, idle.path)
    if uploads.turns.busy(thing):
        return False
    with uploads.turns.watch(thing) as watch:
        async with watch.take_turn():
            # To its end: until then nobody else may have the turn.
            collected, begun = await to_its_end(uploads.database.write(_forget, idle))
            if collected and idle.upload.path:
                # Of another server's upload the file is there, and is a stray to that server.
                await in_thread(uploads.spool.drop, idle.upload.path)
            if collected and begun is not None:
                await abandon(uploads.stores, begun.file, begun.parted)
    return collected


async def _drop_strays(uploads: Uploads) -> int:
    """Remove files without a row, for instance of an upload that another server collected."""
    limits = uploads.limits
    before = time.time() - max(limits.upload_idle, SURELY * limits.slow_body)
    old = await in_thread(uploads.spool.untouched_since, before)
    if not old:
        return 0
    strays = old - await uploads.database.read(lambda uow: uow.uploads.names())
    for name in strays:
        await in_thread(uploads.spool.drop, name)
    return len(strays)


def _idle(uow: UnitOfWork, idle: timedelta) -> list[IdleUpload]:
    return uow.uploads.idle_since(uow.now - idle, limit=MOST)


@frozen
class Begun:
    """What a store has of an upload."""

    file: File
    parted: PartedUpload


def _forget(uow: UnitOfWork, idle: IdleUpload) -> tuple[bool, Begun | None]:
    parted = uow.parted_uploads.of(idle.upload.id)
    place = uow.files_in_artifacts.get(idle.upload.file_in_artifact) if parted is not None else None
    begun = Begun(place.file, parted) if place is not None and parted is not None else None
    return uow.uploads.forget(idle.upload), begun
