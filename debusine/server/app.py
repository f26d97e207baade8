"""The application: the URL table behind the middlewares, with what the handlers need under its keys."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from debusine.config import Settings
from debusine.db.database import Database
from debusine.plugin import SchedulerPolicy, Task
from debusine.server.assigning import assigning_work
from debusine.server.background import Background
from debusine.server.keys import BACKGROUND, DATABASE, POLICY, SERVER, SETTINGS, STORES, TASKS, UPLOADS
from debusine.server.middlewares import answer_errors, check_scope, recognise
from debusine.server.routes import add_routes
from debusine.server.sockets.completions import announcing_completions, close_watching_sockets
from debusine.server.sockets.workers import close_worker_sockets, holding_worker_sockets
from debusine.services.file_stores import FileStores
from debusine.services.spool import Spool
from debusine.services.uploads import Uploads

#: On every answer; what serves content or pages adds its own.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def make_app(
    settings: Settings,
    database: Database,
    stores: FileStores,
    tasks: Mapping[str, type[Task[Any]]],
    policy: SchedulerPolicy[Any],
    server: int,
    background: Background,
) -> web.Application:
    """Wire the application; whoever opened its parts closes them after it."""
    app = web.Application(middlewares=[answer_errors, check_scope, recognise])
    app[SETTINGS] = settings
    app[DATABASE] = database
    app[STORES] = stores
    app[UPLOADS] = Uploads(database, stores, Spool.at(settings.uploads, settings.limits), settings.limits)
    app[TASKS] = tasks
    app[POLICY] = policy
    app[SERVER] = server
    app[BACKGROUND] = background
    add_routes(app)
    app.on_startup.append(_prepare_uploads)
    app.cleanup_ctx.extend([assigning_work, holding_worker_sockets, announcing_completions])
    app.on_shutdown.extend([close_worker_sockets, close_watching_sockets])
    app.on_response_prepare.append(_add_security_headers)
    return app


async def _prepare_uploads(app: web.Application) -> None:
    await app[UPLOADS].prepare()


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "debusine"  # without the versions of everything
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
