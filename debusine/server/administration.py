"""The operator's commands, answered at a socket in the data directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import web
from attrs import frozen

from debusine.config import Settings
from debusine.converter.json import dumps
from debusine.converter.structure import unstructure
from debusine.domain.errors import DebusineError
from debusine.protocol.problems import Problem
from debusine.server.answers import json_answer
from debusine.server.computing import Computing
from debusine.server.json_bodies import JSONBodies
from debusine.server.keys import DATABASE, JSON_BODIES, METHODS, SETTINGS, UPLOADS
from debusine.server.middlewares import answer_errors
from debusine.server.requests import structured
from debusine.services import administration
from debusine.services.notification_methods import NO_METHODS, Methods
from debusine.services.operator_socket import LINES, bound
from debusine.services.store_administration import OPERATIONS, Progress, operate
from debusine.services.uploads import Uploads

#: Seconds between two signs of life of what takes its time.
LIFE = 10.0


@frozen(kw_only=True)
class Order:
    """What ``debusine-admin`` sends."""

    command: str
    arguments: dict[str, Any]


async def carry_out(request: web.Request) -> web.StreamResponse:
    """Carry out any command of the tables; who can open the socket may."""
    order = await structured(request, Order)
    if order.command in OPERATIONS:
        return await carry_out_slowly(request, order)
    database = request.app[DATABASE]
    who, methods = administration.OPERATOR, request.app[METHODS]
    result = await database.write(administration.perform, who, order.command, order.arguments, methods)
    return json_answer(result)


async def carry_out_slowly(request: web.Request, order: Order) -> web.StreamResponse:
    """Carry out what takes its time, and tell how far it is; whoever goes away ends it."""
    answer = web.StreamResponse(headers={"Content-Type": LINES})
    await answer.prepare(request)

    async def tell(line: Mapping[str, Any]) -> None:
        await answer.write(dumps(line) + b"\n")

    async def report(progress: Progress) -> None:
        await tell({"progress": unstructure(progress)})

    alive = asyncio.create_task(_show_life(tell))
    try:
        who = administration.OPERATOR
        result = await operate(request.app[UPLOADS], who, order.command, order.arguments, report)
        await tell({"status": HTTPStatus.OK, "result": result})
    except DebusineError as error:
        problem = Problem(error.title, error.detail, error.validation_errors)
        await tell({"status": HTTPStatus.BAD_REQUEST, "result": problem.as_dict()})
    finally:
        alive.cancel()
    await answer.write_eof()
    return answer


async def _show_life(tell: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
    """Let whoever waits know that somebody still works, also when one file takes long."""
    while True:
        await asyncio.sleep(LIFE)
        await tell({})


@asynccontextmanager
async def administered(settings: Settings, uploads: Uploads, methods: Methods = NO_METHODS) -> AsyncIterator[None]:
    """Answer the operator's commands until the block ends."""
    app = web.Application(middlewares=[answer_errors])
    app[SETTINGS], app[DATABASE], app[METHODS] = settings, uploads.database, methods
    app[UPLOADS] = uploads
    app[JSON_BODIES] = JSONBodies(settings.limits.json_bodies, Computing())
    app.router.add_post("/", carry_out)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.SockSite(runner, bound(settings.admin_socket)).start()
        yield
    finally:
        await runner.cleanup()
        settings.admin_socket.unlink(missing_ok=True)
