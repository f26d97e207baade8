"""Store keeping: what is done for stores all the time, whether anybody asks or not, one round after another."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from datetime import timedelta

from attrs import define, field

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import DebusineError
from debusine.domain.files import File
from debusine.domain.stores import StoreContents
from debusine.plugin import StoreData
from debusine.services import moving, scrubbing
from debusine.services.copying import give
from debusine.services.file_stores import Opened
from debusine.services.receptions import Depot
from debusine.services.store_checks import check_holdings, make_ready

logger = logging.getLogger(__name__)

#: Seconds for which one job keeps the others of a round waiting, about.
SHARE = 20.0
#: Seconds that a store may take to say whether it works again.
PATIENCE = 60.0
#: A copy that was read since then is not read again: a small farm would be read all day.
READ_AGAIN = timedelta(days=7)
#: Seconds between two times that a store is tidied.
TIDY = 6 * 3600.0
#: Files that are looked up at a time.
BATCH = 100


async def revive(depot: Depot) -> None:
    """Ask every store that fails whether it works again."""
    for each in depot.stores.opened():
        if not each.health.failing:
            continue
        try:
            async with asyncio.timeout(PATIENCE):
                await _try_again(depot, each)
        except (DebusineError, OSError) as error:
            logger.debug("The store %s still does not work: %s", each.row.name, error)
        except Exception:  # a plugin's mistake is no reason to give up the others
            logger.exception("The store %s (%s) failed when it was asked", each.row.name, each.row.backend)
        else:
            each.health.recover()


async def count(depot: Depot) -> None:
    """Count what is in those stores where it matters."""
    if not any(each.policies.limited for each in depot.stores.opened()):
        return
    contents = await depot.database.count(lambda uow: uow.stored_files.contents())
    for each in depot.stores.opened():
        if each.policies.limited:
            depot.stores.sizes[each.row.id] = contents.get(each.row.id, StoreContents()).size


@define(eq=False)
class Keeper:
    """Does what one server of a farm has to do for the stores of all of them."""

    depot: Depot
    clock: Callable[[], float] = time.monotonic
    #: Store → the file after which copies for a store that gets everything are looked for.
    _populated: dict[int, int] = field(factory=dict)
    #: Store → how many bytes may be read again, and since when more have come to that.
    _credits: dict[int, tuple[float, float]] = field(factory=dict)
    _tidied: dict[int, float] = field(factory=dict)

    async def make_round(self) -> None:
        """See to each store once; what fails is tried again in the next round."""
        for each in self.depot.stores.opened():
            if not each.health.gives:
                continue
            for job in (self.tidy, self.remove, self.drain, self.populate, self.scrub):
                try:
                    await job(each)
                except (DebusineError, OSError) as error:
                    logger.warning("The store %s, %s: %s", each.row.name, job.__name__, error)
                except Exception:  # a plugin's mistake costs this job only, not the server
                    logger.exception("The store %s (%s), %s", each.row.name, each.row.backend, job.__name__)

    async def tidy(self, each: Opened) -> None:
        """Let go of what was begun long ago and never came to its end."""
        if self.clock() - self._tidied.get(each.row.id, float("-inf")) < TIDY:
            return
        self._tidied[each.row.id] = self.clock()
        # What was begun through a store in front of this one has its parts here.
        stores = self.depot.stores.in_one_place_with(each.row.id)
        unfinished = await self.depot.database.read(lambda uow: uow.parted_uploads.unfinished(stores))
        with self.depot.stores.watching(each.row.id) as backend:
            if count := await backend.tidy([StoreData(data) for data in unfinished]):
                logger.info("The store %s let go of %d beginnings without an end", each.row.name, count)

    async def remove(self, each: Opened) -> None:
        """Remove the objects of copies that were let go a while ago."""
        if removed := await moving.remove_due(self.depot, each.row.id):
            logger.info("Removed %d objects from the store %s, whose files others have", removed, each.row.name)

    async def drain(self, each: Opened) -> None:
        """Move away what shall not be there."""
        if each.policies.drain:
            await self._move(each, moving.move_all(self.depot, each.row.id, None))
        elif self.depot.stores.above_soft_limit(each.row.id):
            await self._move(each, moving.move_excess(self.depot, each.row.id, None))

    async def populate(self, each: Opened) -> None:
        """Copy what a store lacks that shall have everything."""
        if not each.policies.populate:
            return
        places = self.depot.stores.in_one_place_with(each.row.id)
        ended = self.clock() + SHARE
        while batch := await self._lacking(each, places):
            for file in batch:
                if self.clock() > ended:
                    return
                if self.depot.stores.fits(each.row.id, file.size):
                    await give(self.depot, file, each.row.id)
                self._populated[each.row.id] = file.id
        self._populated[each.row.id] = 0

    async def scrub(self, each: Opened) -> None:
        """Read again as much as time has allowed since the last round."""
        credit = self._credit(each)
        if credit <= 0:
            return
        before = await self.depot.database.read(lambda uow: uow.now - READ_AGAIN)
        found = scrubbing.scrub(self.depot, each.row.id, before=before, budget=int(credit))
        ended = self.clock() + SHARE
        async with aclosing(found) as copies:
            async for copy in copies:
                self._spend(each, copy.file.size)
                if self.clock() > ended:
                    return

    async def _lacking(self, each: Opened, places: Collection[int]) -> list[File]:
        after = self._populated.get(each.row.id, 0)
        return await self.depot.database.read(lambda uow: uow.stored_files.lacking(places, after=after, limit=BATCH))

    async def _move(self, each: Opened, moves: AsyncGenerator[moving.Moved, None]) -> None:
        ended, moved, failure = self.clock() + SHARE, 0, None
        async with aclosing(moves) as files:
            async for file in files:
                moved += file.failure is None
                failure = failure or file.failure
                if self.clock() > ended:
                    break
        if moved:
            logger.info("Moved %d files away from the store %s", moved, each.row.name)
        if failure:
            logger.warning("A file cannot leave the store %s: %s", each.row.name, failure)

    def _credit(self, each: Opened) -> float:
        """How many bytes may be read again now: at most those of a day, also after a long rest."""
        at, daily = self.clock(), each.policies.scrub_per_day
        credit, since = self._credits.get(each.row.id, (0.0, at))
        credit = min(float(daily), credit + daily * (at - since) / 86_400)
        self._credits[each.row.id] = (credit, at)
        return credit

    def _spend(self, each: Opened, size: int) -> None:
        credit, since = self._credits[each.row.id]
        self._credits[each.row.id] = (credit - size, since)


async def _try_again(depot: Depot, each: Opened) -> None:
    if each.health.prepared:
        await each.backend.probe()
    else:
        await make_ready(each.backend, holds_files=await depot.database.read(_holds_files, each.row.id))
        await check_holdings(depot.database, each)


def _holds_files(uow: UnitOfWork, store: int) -> bool:
    return uow.file_stores.holds_files(store)
