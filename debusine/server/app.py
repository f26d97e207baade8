"""The application: the URL table behind the middlewares, with what the handlers need under its keys."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from debusine.config import Settings
from debusine.db.database import Database
from debusine.plugin import SchedulerPolicy, Task
from debusine.server.admissions import watching_admissions
from debusine.server.answers import SECURITY_HEADERS
from debusine.server.api.status import BOARD, board
from debusine.server.assigning import assigning_work
from debusine.server.background import Background
from debusine.server.computing import Computing
from debusine.server.json_bodies import JSONBodies
from debusine.server.keys import (
    BACKGROUND,
    COMPUTING,
    DATABASE,
    JSON_BODIES,
    METHODS,
    POLICY,
    SERVER,
    SETTINGS,
    STORES,
    TASKS,
    TRAFFIC,
    UPLOADS,
)
from debusine.server.maintenance import maintaining
from debusine.server.metrics import COUNTED, counted
from debusine.server.middlewares import answer_errors, check_scope, recognise
from debusine.server.notifying import sending_notifications, stop_sending
from debusine.server.observing import observe, show_request_id
from debusine.server.openapi import DESCRIPTION, Description
from debusine.server.recognitions import RECOGNITIONS, Recognitions
from debusine.server.routes import add_routes
from debusine.server.sightings import writing_sightings
from debusine.server.sockets.completions import announcing_completions, close_watching_sockets
from debusine.server.sockets.workers import close_worker_sockets, holding_worker_sockets
from debusine.server.stalls import watching_stalls
from debusine.server.store_keeping import keeping_stores
from debusine.server.throttle import THROTTLE, Throttle
from debusine.server.traffic import Traffic
from debusine.services.file_stores import FileStores
from debusine.services.notification_methods import NO_METHODS, Methods
from debusine.services.spool import Spool
from debusine.services.uploads import Uploads


def make_app(
    settings: Settings,
    database: Database,
    stores: FileStores,
    tasks: Mapping[str, type[Task[Any]]],
    policy: SchedulerPolicy[Any],
    server: int,
    background: Background,
    methods: Methods = NO_METHODS,
) -> web.Application:
    """Wire the application; whoever opened its parts closes them after it."""
    app = web.Application(middlewares=[observe, answer_errors, check_scope, recognise])
    app[SETTINGS] = settings
    app[DATABASE] = database
    app[STORES] = stores
    app[UPLOADS] = Uploads(database, stores, Spool.at(settings.uploads, settings.limits), settings.limits)
    app[COMPUTING] = Computing()
    app[JSON_BODIES] = JSONBodies(settings.limits.json_bodies, app[COMPUTING])
    app[TASKS] = tasks
    app[POLICY] = policy
    app[SERVER] = server
    app[BACKGROUND] = background
    app[METHODS] = methods
    app[THROTTLE] = Throttle(settings.limits.bad_credentials)
    app[RECOGNITIONS] = Recognitions(database)
    app[COUNTED] = counted(database)
    app[TRAFFIC] = Traffic()
    app[DESCRIPTION] = Description(settings)
    app[BOARD] = board(database)
    add_routes(app)
    _accompany(app)
    return app


def _accompany(app: web.Application) -> None:
    """Have run beside the requests what must."""
    app.on_startup.append(_prepare_uploads)
    app.cleanup_ctx.extend([writing_sightings, watching_admissions, watching_stalls])
    app.cleanup_ctx.extend(
        [
            assigning_work,
            maintaining,
            keeping_stores,
            holding_worker_sockets,
            announcing_completions,
            sending_notifications,
        ]
    )
    app.on_shutdown.extend([close_worker_sockets, close_watching_sockets, stop_sending])
    app.on_response_prepare.append(show_request_id)
    app.on_response_prepare.append(_add_security_headers)


async def _prepare_uploads(app: web.Application) -> None:
    await app[UPLOADS].prepare()


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SECURITY_HEADERS["Server"]  # aiohttp has put its own there
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
