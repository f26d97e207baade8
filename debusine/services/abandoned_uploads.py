"""Abandoned uploads: what nobody has gone on with for long costs no disk any more."""

import time
from datetime import timedelta

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.uploads import IdleUpload
from debusine.plugin import in_thread
from debusine.services.uploads import Uploads, to_its_end

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
            collected = await to_its_end(uploads.database.write(_forget, idle))
            if collected:
                # Of another server's upload the file is there, and is a stray to that server.
                await in_thread(uploads.spool.drop, idle.upload.path)
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


def _forget(uow: UnitOfWork, idle: IdleUpload) -> bool:
    return uow.uploads.forget(idle.upload)
