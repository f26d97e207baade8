"""Store keeping by one server process: rounds in the background."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Conflict, StorageFull, Unavailable
from debusine.server.keys import BACKGROUND, SERVER, UPLOADS
from debusine.services.receptions import Depot
from debusine.services.store_keeping import Keeper, count, revive

logger = logging.getLogger(__name__)

#: Seconds between two looks at stores that fail, and between two rounds of all else.
LOOK, ROUND = 5.0, 60.0


async def keeping_stores(app: web.Application) -> AsyncIterator[None]:
    """Have an application look after its stores (a ``cleanup_ctx``)."""
    app[BACKGROUND].start("store revival", keep_reviving(app[UPLOADS]))
    app[BACKGROUND].start("store keeping", keep_stores(app[UPLOADS], app[SERVER]))
    yield


async def keep_reviving(depot: Depot) -> None:
    """Ask failing stores again and again, so that they are used again as soon as they answer."""
    while True:
        await revive(depot)
        await asyncio.sleep(LOOK)


async def keep_stores(depot: Depot, server: int) -> None:
    """Count, and make rounds for all servers if this one is the first of them."""
    keeper = Keeper(depot)
    while True:
        try:
            await count(depot)
            if await depot.database.read(is_first, server):
                await keeper.make_round()
        except (Conflict, OSError, StorageFull, Unavailable) as error:
            logger.warning("Stores could not be looked after, which will be tried again: %s", error)
        await asyncio.sleep(ROUND)


def is_first(uow: UnitOfWork, server: int) -> bool:
    """Whether a server does what one has to do; two that both think so do some work in vain, and no harm."""
    return min(uow.servers.ids(), default=server) == server
