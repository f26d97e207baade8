"""The API that tells how the farm is, and who is asking."""

from aiohttp import web

from debusine.db.database import Database
from debusine.protocol.resources import ServiceStatus
from debusine.server.answers import json_answer
from debusine.server.counting import Counted
from debusine.server.requests import sent_key, subject
from debusine.services import status
from debusine.services.rights import BadCredentials

#: Seconds for which numbers are told again.
FRESH = 1.0
#: And so many times the time that it took to count them: of a million that wait, that is a part of a second.
REST = 4.0


async def who_am_i(request: web.Request) -> web.Response:
    """Tell as whom the server knows the caller."""
    who = subject(request)
    if who.anonymous and sent_key(request):
        raise BadCredentials
    return json_answer(status.caller(who))


async def get_service_status(request: web.Request) -> web.Response:
    """Tell how much waits and runs, and how many workers there are."""
    return json_answer(await request.app[BOARD].get())


def board(database: Database) -> Counted[ServiceStatus]:
    """The numbers of a farm."""
    return Counted(lambda: database.count(status.service_status), fresh=FRESH, rest=REST)


BOARD = web.AppKey("board", Counted[ServiceStatus])
