"""The URL table: every path of the server, who handles it, and the action by which its caller is judged."""

from typing import Any

from aiohttp import web

from debusine.domain.rights import Action
from debusine.protocol.explanations import Explanation
from debusine.protocol.resources import (
    ArtifactResource,
    ArtifactSubmission,
    Caller,
    CompletionReport,
    DynamicMetadata,
    EmptySubmission,
    RelationResource,
    RelationSubmission,
    ServiceStatus,
    WorkerRegistration,
    WorkRequestPage,
    WorkRequestResource,
    WorkRequestSubmission,
    WorkRequestUpdate,
)
from debusine.server import parameters
from debusine.server.api import artifacts, downloads, files, limits, relations, status, work_requests, workers
from debusine.server.health import Health, health
from debusine.server.metrics import get_metrics
from debusine.server.openapi import get_description
from debusine.server.pages.artifacts import artifact_page
from debusine.server.pages.front import front_page
from debusine.server.pages.layout import STYLESHEET, stylesheet
from debusine.server.pages.work_requests import work_request_page
from debusine.server.route import TABLE, Answer, Content, Route
from debusine.server.sockets.completions import watch_completions
from debusine.server.sockets.workers import connect_worker

API = "/api/1.0"
SOCKETS = "/api/ws/1.0"
WORKSPACE = "/{scope}/{workspace}"
ARTIFACT = f"{WORKSPACE}/artifact/{{id:[0-9]+}}"

#: Each part of the server adds its lines here.
ROUTES: tuple[Route, ...] = (
    Route("GET", "/", front_page, Action.ANYBODY),
    Route("GET", STYLESHEET, stylesheet, Action.ANYBODY),
    Route("GET", "/health", health, Action.ANYBODY, gives={200: Health, 503: Health}),
    Route("GET", "/metrics", get_metrics, Action.ANYBODY, gives={200: Content("text/plain")}, problems=(403,)),
    Route("GET", "/api/openapi.json", get_description, Action.ANYBODY, gives={200: dict[str, Any]}),
    Route("GET", f"{API}/limits/", limits.get_limits, Action.ANYBODY, gives={200: limits.AnnouncedLimits}),
    Route("GET", f"{API}/whoami/", status.who_am_i, Action.ANYBODY, gives={200: Caller}, problems=(403,)),
    Route("GET", f"{API}/service-status/", status.get_service_status, Action.ANYBODY, gives={200: ServiceStatus}),
    Route(
        "POST",
        f"{API}/artifact/",
        artifacts.create_artifact,
        Action.CREATE_ARTIFACT,
        takes=ArtifactSubmission,
        gives={201: ArtifactResource},
        headers=(parameters.ATTEMPT,),
        problems=(409, 429, 507),
    ),
    Route(
        "GET",
        f"{API}/artifact/{{id:[0-9]+}}/",
        artifacts.get_artifact,
        Action.READ_ARTIFACT,
        gives={200: ArtifactResource},
    ),
    # Clients that download ask without the final slash.
    Route(
        "GET",
        f"{API}/artifact/{{id:[0-9]+}}",
        artifacts.get_artifact,
        Action.READ_ARTIFACT,
        gives={200: ArtifactResource},
    ),
    Route(
        "PUT",
        f"{API}/artifact/{{id:[0-9]+}}/files/{{path:(?s:.+)}}/",
        files.put_file,
        Action.UPLOAD_FILE,
        takes=Content(),
        gives={
            200: Answer(None, (parameters.RECEIVED_SO_FAR,), "The chunk is kept; or, to a question: the file is whole"),
            201: Answer(description="The file is whole"),
            206: Answer(None, (parameters.RECEIVED,), "The answer to a question: the file is not whole yet"),
        },
        headers=(parameters.CONTENT_RANGE, parameters.ATTEMPT),
        problems=(409, 413, 429, 507),
    ),
    Route(
        "POST",
        f"{API}/artifact-relation/",
        relations.create_relation,
        Action.RELATE_ARTIFACTS,
        takes=RelationSubmission,
        gives={200: RelationResource, 201: RelationResource},
        headers=(parameters.ATTEMPT,),
        problems=(409, 507),
    ),
    Route(
        "GET",
        f"{API}/artifact-relation/",
        relations.list_relations,
        Action.READ_ARTIFACT,
        gives={200: list[RelationResource]},
        query=(parameters.ARTIFACT, parameters.TARGET_ARTIFACT),
    ),
    Route(
        "DELETE",
        f"{API}/artifact-relation/{{id:[0-9]+}}/",
        relations.delete_relation,
        Action.RELATE_ARTIFACTS,
        gives={204: None},
        headers=(parameters.ATTEMPT,),
        problems=(409, 507),
    ),
    Route(
        "GET",
        f"{ARTIFACT}/download/{{path:(?s:.*)}}",
        downloads.download,
        Action.READ_ARTIFACT,
        gives={
            200: Answer(Content("*/*"), (parameters.ETAG, parameters.ACCEPT_RANGES), "The file, or the archive"),
            206: Answer(Content("*/*"), (parameters.ETAG, parameters.PART), "A part of the file"),
            304: Answer(None, (parameters.ETAG,), "The client has it"),
        },
        query=(parameters.ARCHIVE,),
        headers=(parameters.RANGE, parameters.IF_RANGE, parameters.IF_NONE_MATCH),
        problems=(409, 416),
    ),
    Route("GET", f"{ARTIFACT}/", artifact_page, Action.READ_ARTIFACT),
    Route(
        "POST",
        f"{API}/work-request/",
        work_requests.create_work_request,
        Action.CREATE_WORK_REQUEST,
        takes=WorkRequestSubmission,
        gives={200: WorkRequestResource},
        problems=(507,),
    ),
    Route(
        "GET",
        f"{API}/work-request/",
        work_requests.list_work_requests,
        Action.READ_WORK_REQUEST,
        gives={200: WorkRequestPage},
        query=(parameters.CURSOR, parameters.PAGE_SIZE),
    ),
    Route(
        "GET",
        f"{API}/work-request/{{id:[0-9]+}}/",
        work_requests.get_work_request,
        Action.READ_WORK_REQUEST,
        gives={200: WorkRequestResource},
    ),
    Route(
        "GET",
        f"{API}/work-request/{{id:[0-9]+}}/explanation/",
        work_requests.explain_work_request,
        Action.READ_WORK_REQUEST,
        gives={200: Explanation},
    ),
    Route(
        "PATCH",
        f"{API}/work-request/{{id:[0-9]+}}/",
        work_requests.update_work_request,
        Action.LOWER_PRIORITY,
        takes=WorkRequestUpdate,
        gives={200: WorkRequestResource},
        problems=(507,),
    ),
    Route(
        "POST",
        f"{API}/work-request/{{id:[0-9]+}}/retry/",
        work_requests.retry_work_request,
        Action.RETRY_WORK_REQUEST,
        takes=EmptySubmission,
        gives={200: WorkRequestResource},
        problems=(507,),
    ),
    Route(
        "POST",
        f"{API}/work-request/{{id:[0-9]+}}/abort/",
        work_requests.abort_work_request,
        Action.ABORT_WORK_REQUEST,
        takes=EmptySubmission,
        gives={200: WorkRequestResource},
        problems=(507,),
    ),
    Route(
        "GET",
        f"{API}/work-request/get-next-for-worker/",
        work_requests.get_next_for_worker,
        Action.BE_A_WORKER,
        gives={200: WorkRequestResource, 204: Answer(description="There is nothing to do")},
        headers=(parameters.RUNNING,),
        problems=(507,),
    ),
    Route(
        "PUT",
        f"{API}/work-request/{{id:[0-9]+}}/completed/",
        work_requests.complete_work_request,
        Action.COMPLETE_WORK_REQUEST,
        takes=CompletionReport,
        gives={200: None},
        headers=(parameters.ATTEMPT,),
        problems=(401, 409, 507),
    ),
    Route("GET", f"{WORKSPACE}/work-request/{{id:[0-9]+}}/", work_request_page, Action.READ_WORK_REQUEST),
    Route(
        "POST",
        f"{API}/worker/register/",
        workers.register_worker,
        Action.ANYBODY,
        takes=WorkerRegistration,
        gives={201: None},
        problems=(403, 409, 507),
    ),
    Route(
        "PUT",
        f"{API}/worker/dynamic-metadata/",
        workers.set_dynamic_metadata,
        Action.BE_A_WORKER,
        takes=DynamicMetadata,
        gives={204: None},
        problems=(409, 507),
    ),
    Route(
        "GET",
        f"{SOCKETS}/worker/connect/",
        connect_worker,
        Action.BE_A_WORKER,
        socket=True,
        gives={101: Answer(description="The server speaks; see the protocol's page")},
        headers=(parameters.RUNNING,),
    ),
    Route(
        "GET",
        f"{SOCKETS}/work-request/on-completed/",
        watch_completions,
        Action.WATCH_WORK_REQUESTS,
        socket=True,
        gives={101: Answer(description="The server speaks; see the protocol's page")},
        query=(parameters.WORKSPACES, parameters.COMPLETED_AT_SINCE),
    ),
)


def add_routes(app: web.Application, routes: tuple[Route, ...] = ROUTES) -> None:
    """Put the table into an application."""
    app[TABLE] = {added: route for route in routes for added in _add(app.router, route)}


def _add(router: web.UrlDispatcher, route: Route) -> list[web.AbstractRoute]:
    # A worker's GET hands out work, a websocket's opens it: nothing of that kind may come of a HEAD.
    plain = route.method == "GET" and route.action is not Action.BE_A_WORKER and not route.socket
    methods = ("GET", "HEAD") if plain else (route.method,)
    resource = router.add_resource(route.path)
    return [resource.add_route(method, route.handler) for method in methods]
