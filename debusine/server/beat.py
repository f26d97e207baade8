"""The beat: how the servers of one database know which of them live."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from debusine.db.database import Database
from debusine.domain.errors import StorageFull, Unavailable
from debusine.domain.servers import BEAT
from debusine.services import servers

logger = logging.getLogger(__name__)


@asynccontextmanager
async def announced(database: Database, *, alone: bool) -> AsyncIterator[int]:
    """Be on the list of servers, under the id that this yields; ``alone``: the database is embedded."""
    server = await database.write(servers.announce, servers.own_name(), alone=alone)
    try:
        yield server.id
    finally:
        with suppress(
            StorageFull, Unavailable
        ):  # without the database nobody can be told; the others will see the silence
            await database.write(servers.leave, server.id)


async def keep_beating(database: Database, server: int) -> None:
    """Give a sign of life again and again; ``TakenForDead`` when the others did not hear it."""
    while True:
        try:
            await database.write(servers.beat, server)
        except servers.TakenForDead:
            raise
        except (StorageFull, Unavailable) as error:
            logger.warning("This server cannot give a sign of life: %s", error)
        await asyncio.sleep(BEAT.total_seconds())
