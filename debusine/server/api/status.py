"""The API that tells how the farm is, and who is asking."""

import asyncio
import time

from aiohttp import web

from debusine.db.database import Database
from debusine.protocol.resources import ServiceStatus
from debusine.server.answers import json_answer
from debusine.server.requests import sent_key, subject
from debusine.services import status
from debusine.services.rights import BadCredentials

#: Seconds for which numbers are told again.
FRESH = 1.0
#: And so many times the time that it took to count them: a million waiting work requests take a part of a second.
REST = 4.0


async def who_am_i(request: web.Request) -> web.Response:
    """Tell as whom the server knows the caller."""
    who = subject(request)
    if who.anonymous and sent_key(request):
        raise BadCredentials
    return json_answer(status.caller(who))


async def get_service_status(request: web.Request) -> web.Response:
    """Tell how much waits and runs, and how many workers there are."""
    return json_answer(await request.app[BOARD].read())


class Board:
    """The latest numbers; however many ask for them, they are counted by one at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = asyncio.Lock()
        self._numbers: ServiceStatus | None = None
        self._good_until = 0.0

    async def read(self) -> ServiceStatus:
        """The numbers, a second old at most unless it takes long to count them."""
        async with self._lock:
            began = time.monotonic()
            if self._numbers is None or began >= self._good_until:
                self._numbers = await self.database.read(status.service_status)
                ended = time.monotonic()
                self._good_until = ended + max(FRESH, REST * (ended - began))
            return self._numbers


BOARD = web.AppKey("board", Board)
