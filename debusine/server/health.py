"""Whether the server is fit to work, for balancers and operators."""

from http import HTTPStatus
from importlib.metadata import version

from aiohttp import web

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.server.answers import json_answer
from debusine.server.keys import DATABASE, STORES


async def health(request: web.Request) -> web.Response:
    """Answer 200 with the state of every part, or 503 when the database is gone: without it nothing can be done."""
    database = await _database(request)
    stores = request.app[STORES].health
    status = HTTPStatus.OK if database == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
    return json_answer({"version": version("debusine"), "database": database, "stores": stores}, status=status)


async def _database(request: web.Request) -> str:
    try:
        await request.app[DATABASE].read(_touch)
    except Unavailable as error:
        return error.title
    return "ok"


def _touch(uow: UnitOfWork) -> None:
    uow.file_stores.default()
