"""Maintenance: what is done now and then, whether anybody asks or not."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from debusine.domain.errors import Conflict, StorageFull, Unavailable
from debusine.server.keys import BACKGROUND, UPLOADS
from debusine.services import abandoned_uploads
from debusine.services.uploads import Uploads

logger = logging.getLogger(__name__)

#: Seconds between two rounds, at most.
ROUND = 600.0


async def maintaining(app: web.Application) -> AsyncIterator[None]:
    """Have an application look after itself (a ``cleanup_ctx``)."""
    app[BACKGROUND].start("maintenance", maintain(app[UPLOADS]))
    yield


async def maintain(uploads: Uploads) -> None:
    """Make a round again and again."""
    while True:
        await asyncio.sleep(min(ROUND, uploads.limits.upload_idle / 4))
        try:
            if collected := await abandoned_uploads.collect(uploads):
                logger.info("Forgot %d uploads that nobody went on with", collected)
        except (Conflict, OSError, StorageFull, Unavailable) as error:
            logger.warning("Abandoned uploads could not be looked for, which will be tried again: %s", error)
