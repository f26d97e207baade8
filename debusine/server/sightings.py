"""Sightings: when tokens were last used is written down beside the requests, many at a time."""

import logging
from collections.abc import AsyncIterator

from aiohttp import web

from debusine.db.database import Database
from debusine.domain.errors import StorageFull, Unavailable
from debusine.scheduler.alarm import Alarm
from debusine.server.keys import BACKGROUND, DATABASE
from debusine.services import accounts

logger = logging.getLogger(__name__)

#: Seconds that a sighting may wait for others.
INTERVAL = 2.0


class Sightings:
    """The tokens that were used and of which that is not on disk yet."""

    def __init__(self, database: Database, interval: float = INTERVAL) -> None:
        self._database = database
        self._interval = interval
        self._seen: set[int] = set()
        self._alarm = Alarm()

    def note(self, token: int) -> None:
        """A token was used."""
        self._seen.add(token)

    async def run(self) -> None:
        """Write them down again and again."""
        while True:
            await self._alarm.wait(self._interval)
            await self.write()

    async def write(self) -> None:
        """Write down what is not yet; what cannot be is forgotten, the next use tells it again."""
        seen, self._seen = self._seen, set()
        if not seen:
            return
        try:
            await self._database.write(accounts.note_seen, seen)
        except (StorageFull, Unavailable) as error:
            logger.warning("The use of %d tokens could not be written down: %s", len(seen), error)


async def writing_sightings(app: web.Application) -> AsyncIterator[None]:
    """Have an application write sightings down (a ``cleanup_ctx``)."""
    app[SIGHTINGS] = sightings = Sightings(app[DATABASE])
    app[BACKGROUND].start("sightings", sightings.run())
    yield
    await sightings.write()


SIGHTINGS = web.AppKey("sightings", Sightings)
