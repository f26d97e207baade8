"""The operator's commands, answered at a socket in the data directory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import frozen

from debusine.config import Settings
from debusine.db.database import Database
from debusine.server.answers import json_answer
from debusine.server.computing import Computing
from debusine.server.json_bodies import JSONBodies
from debusine.server.keys import DATABASE, JSON_BODIES, METHODS, SETTINGS
from debusine.server.middlewares import answer_errors
from debusine.server.requests import structured
from debusine.services import administration
from debusine.services.notification_methods import NO_METHODS, Methods
from debusine.services.operator_socket import bound


@frozen(kw_only=True)
class Order:
    """What ``debusine-admin`` sends."""

    command: str
    arguments: dict[str, Any]


async def carry_out(request: web.Request) -> web.Response:
    """Carry out any command of the table; who can open the socket may."""
    order = await structured(request, Order)
    database = request.app[DATABASE]
    who, methods = administration.OPERATOR, request.app[METHODS]
    result = await database.write(administration.perform, who, order.command, order.arguments, methods)
    return json_answer(result)


@asynccontextmanager
async def administered(settings: Settings, database: Database, methods: Methods = NO_METHODS) -> AsyncIterator[None]:
    """Answer the operator's commands until the block ends."""
    app = web.Application(middlewares=[answer_errors])
    app[SETTINGS], app[DATABASE], app[METHODS] = settings, database, methods
    app[JSON_BODIES] = JSONBodies(settings.limits.json_bodies, Computing())
    app.router.add_post("/", carry_out)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, bound(settings.admin_socket)).start()
        yield
    finally:
        await runner.cleanup()
        settings.admin_socket.unlink(missing_ok=True)
