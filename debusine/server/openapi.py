"""The API's description in OpenAPI, made from the URL table and from the classes of requests and answers."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from debusine.config import Settings
from debusine.converter.json import dumps
from debusine.domain.files import ArtifactPath
from debusine.domain.rights import Action
from debusine.protocol import headers, problems
from debusine.protocol.problems import Problem
from debusine.server import parameters
from debusine.server.health import VERSION
from debusine.server.json_schemas import Schema, Schemas
from debusine.server.parameters import ID
from debusine.server.route import BYTES, JSON, PLACEHOLDER, TABLE, Answer, Content, Parameter, Route, path_of
from debusine.services.rights import OPEN

#: Refusals that any request may meet.
ALWAYS = (400, 404, 429, 500, 503)
#: Refusals of requests with a body, and of those with JSON.
OF_BODIES = (408,)
OF_JSON = (408, 413, 415)
#: Of these the caller hears when to try again.
PASSING = (429, 503)

TEXT = """\
What programs can ask of the farm. A refusal is a problem (RFC 9457) that names what to do; what one may not see is
answered like what is not there. GET routes answer HEAD as well."""


class Description:
    """The description of an application's API, written once, when somebody asks for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._body: bytes | None = None

    def body(self, routes: Iterable[Route]) -> bytes:
        """The JSON."""
        if self._body is None:
            self._body = dumps(describe(routes, self._settings))
        return self._body


async def get_description(request: web.Request) -> web.Response:
    """Describe the API, in OpenAPI 3.1."""
    routes = dict.fromkeys(request.app[TABLE].values())
    return web.Response(body=request.app[DESCRIPTION].body(routes), headers={"Content-Type": JSON})


def describe(routes: Iterable[Route], settings: Settings) -> Schema:
    """The whole description of these routes, as plain values."""
    author = _Author(settings)
    paths: dict[str, Schema] = {}
    for route in routes:
        if route.described:
            paths.setdefault(path_of(route), {})[route.method.lower()] = author.operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Debusine", "version": VERSION, "description": TEXT},
        "paths": paths,
        "components": author.components(),
    }


def problems_of(route: Route) -> list[int]:
    """All statuses by which a route may refuse a request."""
    found = {*ALWAYS, *route.problems}
    if route.takes is not None:
        found.update(OF_BODIES if isinstance(route.takes, Content) else OF_JSON)
    if route.action is not Action.ANYBODY:
        found.add(HTTPStatus.FORBIDDEN)
    return sorted(found - set(route.gives))


class _Author:
    """Writes operations, and keeps what they refer to."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.limits
        self._scope = settings.scope
        self._answers = Schemas()
        self._requests = Schemas(settings.limits, self._answers.components)
        self._names: set[str] = set()

    def operation(self, route: Route) -> Schema:
        """One operation."""
        operation: Schema = {
            "operationId": self._name(route),
            "summary": _summary(route),
            "tags": [_tag(route)],
            "parameters": self._parameters(route),
            "responses": self._responses(route),
            "security": _security(route),
        }
        if route.takes is not None:
            operation["requestBody"] = self._body(route)
        return operation

    def components(self) -> Schema:
        """What the operations refer to."""
        self._answers.of(Problem)
        self._answers.components[Problem.__name__]["required"] = ["title"]  # of the others there is what there is
        return {
            "schemas": dict(sorted(self._answers.components.items())),
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": headers.TOKEN},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        }

    def _name(self, route: Route) -> str:
        name = route.handler.__name__
        while name in self._names:
            name += "_again"
        self._names.add(name)
        return name

    def _parameters(self, route: Route) -> list[Schema]:
        in_path = [self._in_path(name) for name in PLACEHOLDER.findall(route.path)]
        # Whoever knows no scopes never sends the header: downloads, files and sockets are about one thing anyway.
        in_headers = [parameters.SCOPE, *route.headers]
        return [
            *in_path,
            *(self._parameter(each, "query") for each in route.query),
            *(self._parameter(each, "header") for each in in_headers),
        ]

    def _in_path(self, name: str) -> Schema:
        schemas = {
            "id": ID,
            "path": self._requests.of(ArtifactPath),
            "scope": {"type": "string", "enum": [self._scope]},
        }
        schema = schemas.get(name, {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/{}]+$"})
        return {"name": name, "in": "path", "required": True, "schema": schema}

    def _parameter(self, parameter: Parameter, place: str) -> Schema:
        schema = {"type": "string", "enum": [self._scope]} if parameter is parameters.SCOPE else None
        return {
            "name": parameter.name,
            "in": place,
            "description": parameter.description,
            "required": parameter.required,
            "schema": schema or dict(parameter.schema(self._limits)),
        }

    def _body(self, route: Route) -> Schema:
        content = _content(route.takes, self._requests)
        return {"required": not isinstance(route.takes, Content), "content": content}

    def _responses(self, route: Route) -> Schema:
        given = {str(status): self._response(status, body) for status, body in route.gives.items()}
        return given | {str(status): self._problem(status) for status in problems_of(route)}

    def _response(self, status: int, body: Any) -> Schema:
        answer = body if isinstance(body, Answer) else Answer(body)
        response: Schema = {
            "description": answer.description or HTTPStatus(status).phrase,
            "headers": self._headers(parameters.REQUEST_ID, *answer.headers),
        }
        if answer.body is not None:
            response["content"] = _content(answer.body, self._answers)
        return response

    def _problem(self, status: int) -> Schema:
        more = (parameters.RETRY_AFTER,) if status in PASSING else ()
        return {
            "description": HTTPStatus(status).phrase,
            "headers": self._headers(parameters.REQUEST_ID, *more),
            "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }

    def _headers(self, *given: Parameter) -> Schema:
        return {
            each.name: {
                "description": each.description,
                "required": each.required,
                "schema": dict(each.schema(self._limits)),
            }
            for each in given
        }


def _content(body: Any, schemas: Schemas) -> Schema:
    if isinstance(body, Content):
        return {
            body.media_type: {
                "schema": {"type": "string", **({"format": "binary"} if body.media_type == BYTES else {})}
            }
        }
    return {JSON: {"schema": schemas.of(body)}}


def _summary(route: Route) -> str:
    return (route.handler.__doc__ or "").partition("\n")[0]


def _tag(route: Route) -> str:
    """The noun: what follows the version in the path."""
    match = re.search(r"/api/(?:ws/)?1\.0/([\w-]+)/", route.path)
    if match is not None:
        return match[1]
    return "artifact" if "/artifact/" in route.path else "server"


def _security(route: Route) -> list[Schema]:
    known: list[Schema] = [{"token": []}, {"bearer": []}]
    return [{}, *known] if route.action in OPEN else known


DESCRIPTION = web.AppKey("description", Description)
