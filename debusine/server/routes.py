"""The URL table: every path of the server, who handles it, and the action by which its caller is judged."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web
from attrs import frozen

from debusine.domain.rights import Action
from debusine.server.api import artifacts, downloads, files, limits, relations, work_requests, workers
from debusine.server.health import health
from debusine.server.pages.artifacts import artifact_page
from debusine.server.pages.front import front_page
from debusine.server.pages.layout import STYLESHEET, stylesheet
from debusine.server.pages.work_requests import work_request_page
from debusine.server.sockets.workers import connect_worker

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

API = "/api/1.0"
SOCKETS = "/api/ws/1.0"
WORKSPACE = "/{scope}/{workspace}"
ARTIFACT = f"{WORKSPACE}/artifact/{{id:[0-9]+}}"


@frozen
class Route:
    """One line of the table."""

    method: str
    #: As aiohttp writes them: ``{id:[0-9]+}`` is read by ``requests.path_id``.
    path: str
    handler: Handler
    #: What the caller must be allowed to do; services judge the object, this one the subject's kind.
    action: Action
    #: A websocket accepts whoever comes, and says by a message why it will not serve them.
    socket: bool = False


#: Each part of the server adds its lines here.
ROUTES: tuple[Route, ...] = (
    Route("GET", "/", front_page, Action.ANYBODY),
    Route("GET", STYLESHEET, stylesheet, Action.ANYBODY),
    Route("GET", "/health", health, Action.ANYBODY),
    Route("GET", f"{API}/limits/", limits.get_limits, Action.ANYBODY),
    Route("POST", f"{API}/artifact/", artifacts.create_artifact, Action.CREATE_ARTIFACT),
    Route("GET", f"{API}/artifact/{{id:[0-9]+}}/", artifacts.get_artifact, Action.READ_ARTIFACT),
    # Clients that download ask without the final slash.
    Route("GET", f"{API}/artifact/{{id:[0-9]+}}", artifacts.get_artifact, Action.READ_ARTIFACT),
    Route("PUT", f"{API}/artifact/{{id:[0-9]+}}/files/{{path:(?s:.+)}}/", files.put_file, Action.UPLOAD_FILE),
    Route("POST", f"{API}/artifact-relation/", relations.create_relation, Action.RELATE_ARTIFACTS),
    Route("GET", f"{API}/artifact-relation/", relations.list_relations, Action.READ_ARTIFACT),
    Route("GET", f"{ARTIFACT}/download/{{path:(?s:.*)}}", downloads.download, Action.READ_ARTIFACT),
    Route("GET", f"{ARTIFACT}/", artifact_page, Action.READ_ARTIFACT),
    Route("POST", f"{API}/work-request/", work_requests.create_work_request, Action.CREATE_WORK_REQUEST),
    Route("GET", f"{API}/work-request/", work_requests.list_work_requests, Action.READ_WORK_REQUEST),
    Route("GET", f"{API}/work-request/{{id:[0-9]+}}/", work_requests.get_work_request, Action.READ_WORK_REQUEST),
    Route("GET", f"{API}/work-request/get-next-for-worker/", work_requests.get_next_for_worker, Action.BE_A_WORKER),
    Route(
        "PUT",
        f"{API}/work-request/{{id:[0-9]+}}/completed/",
        work_requests.complete_work_request,
        Action.COMPLETE_WORK_REQUEST,
    ),
    Route("GET", f"{WORKSPACE}/work-request/{{id:[0-9]+}}/", work_request_page, Action.READ_WORK_REQUEST),
    Route("POST", f"{API}/worker/register/", workers.register_worker, Action.ANYBODY),
    Route("PUT", f"{API}/worker/dynamic-metadata/", workers.set_dynamic_metadata, Action.BE_A_WORKER),
    Route("GET", f"{SOCKETS}/worker/connect/", connect_worker, Action.BE_A_WORKER, socket=True),
)

#: The line of the table by which a request was routed.
TABLE = web.AppKey("table", dict[web.AbstractRoute, Route])


def add_routes(app: web.Application, routes: tuple[Route, ...] = ROUTES) -> None:
    """Put the table into an application."""
    app[TABLE] = {added: route for route in routes for added in _add(app.router, route)}


def route_of(request: web.Request) -> Route | None:
    """The line of the table that a request meets; None: no such path or method."""
    return request.app[TABLE].get(request.match_info.route)


def _add(router: web.UrlDispatcher, route: Route) -> list[web.AbstractRoute]:
    # A worker's GET hands out work: nothing of that kind may come of a HEAD.
    methods = ("GET", "HEAD") if route.method == "GET" and route.action is not Action.BE_A_WORKER else (route.method,)
    resource = router.add_resource(route.path)
    return [resource.add_route(method, route.handler) for method in methods]
