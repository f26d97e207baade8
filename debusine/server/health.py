"""Whether the server is fit to work, for balancers and operators."""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version

from aiohttp import web
from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.server.answers import json_answer
from debusine.server.keys import DATABASE, STORES

#: Read from the disk once: balancers ask for it all the time.
VERSION = version("debusine")


@frozen
class Health:
    """How the parts of the server are."""

    version: str
    #: "ok", or what is wrong.
    database: str
    #: By name: "ok", or what went wrong last.
    stores: Mapping[str, str]


async def health(request: web.Request) -> web.Response:
    """Answer 200 with the state of every part, or 503 when the database is gone: without it nothing can be done."""
    database = await _database(request)
    stores = request.app[STORES].health
    status = HTTPStatus.OK if database == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
    return json_answer(Health(VERSION, database, stores), status=status)


async def _database(request: web.Request) -> str:
    try:
        await request.app[DATABASE].read(_touch)
    except Unavailable as error:
        return error.title
    return "ok"


def _touch(uow: UnitOfWork) -> None:
    uow.file_stores.default()
