"""What every request passes: errors become answers, the scope is checked, the caller is recognised."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from debusine import logs
from debusine.db.engine import DatabaseUnreachable
from debusine.domain import errors
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import DebusineError
from debusine.domain.rights import Action
from debusine.protocol import headers
from debusine.protocol.problems import Problem
from debusine.protocol.ranges import RangeNotSatisfiable
from debusine.server.addresses import client_address
from debusine.server.answers import problem_answer
from debusine.server.keys import REQUEST_ID, SETTINGS, SUBJECT
from debusine.server.observing import CLIENT_GONE
from debusine.server.recognitions import RECOGNITIONS
from debusine.server.requests import SlowBody, UnsupportedMediaType, sent_key
from debusine.server.route import route_of
from debusine.server.sightings import SIGHTINGS
from debusine.server.sockets.handshake import check_handshake
from debusine.server.throttle import THROTTLE, TooManyUnknownKeys
from debusine.services.rights import OPEN, BadCredentials, NoCredentials

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The first that fits decides.
STATUSES: tuple[tuple[type[DebusineError], HTTPStatus], ...] = (
    (RangeNotSatisfiable, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    (UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (SlowBody, HTTPStatus.REQUEST_TIMEOUT),
    (errors.Invalid, HTTPStatus.BAD_REQUEST),
    (errors.NotAssigned, HTTPStatus.UNAUTHORIZED),
    (errors.NotAuthenticated, HTTPStatus.FORBIDDEN),
    (errors.PermissionDenied, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.StorageFull, HTTPStatus.INSUFFICIENT_STORAGE),
)

#: Seconds after which it is worth trying again.
RETRY_AFTER = {HTTPStatus.TOO_MANY_REQUESTS: "60", HTTPStatus.SERVICE_UNAVAILABLE: "5"}


class UnknownScope(errors.NotFound):
    """A request speaks of a scope that this server does not serve."""

    def __init__(self, scope: str) -> None:
        super().__init__("Scope not found", detail=f"This server has no scope {scope[:100]!r}")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem; what nobody foresaw is logged, and not shown."""
    try:
        return await handler(request)
    except DebusineError as error:
        return _problem(error)
    except web.HTTPException as error:
        return _http_problem(error)
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            return web.Response(status=CLIENT_GONE)  # aiohttp finds out by itself that nobody reads it
        # Without the path: it may be anything, also a key.
        logger.exception(
            "Unexpected error in %s", "an unknown path" if (met := route_of(request)) is None else met.path
        )
        return problem_answer(HTTPStatus.INTERNAL_SERVER_ERROR, _unforeseen(request))


@web.middleware
async def check_scope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests for another scope than the server's one."""
    scope = request.headers.get(headers.SCOPE)
    if scope is not None and scope != request.app[SETTINGS].scope:
        raise UnknownScope(scope)
    return await handler(request)


@web.middleware
async def recognise(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and refuse at once those of whom nothing good could come."""
    route = route_of(request)
    if route is None:  # no such path or method: the same for everybody
        return await handler(request)
    if route.socket:
        check_handshake(request)
    key = sent_key(request)
    subject = await _subject(request, key) if key else ANONYMOUS
    request[SUBJECT] = subject
    if route.socket or not subject.anonymous:
        return await handler(request)
    return await _serve_anonymous(request, handler, route.action, refusal=BadCredentials() if key else NoCredentials())


async def _serve_anonymous(
    request: web.Request, handler: Handler, action: Action, refusal: errors.NotAuthenticated
) -> web.StreamResponse:
    if action not in OPEN:
        raise refusal
    try:
        return await handler(request)
    except (errors.NotFound, errors.NotAuthenticated) as error:
        # Who sent a key should hear that it is the key; what is hidden and what is not there still look alike.
        raise (refusal if isinstance(refusal, BadCredentials) else error) from None


async def _subject(request: web.Request, key: str) -> Subject:
    subject, seen = await request.app[RECOGNITIONS].whose(key)
    if subject.token is None:
        request.app[THROTTLE].fail(client_address(request))
        return subject
    logs.hide_sent(key)
    if not seen:
        request.app[SIGHTINGS].note(subject.token.id)
    return subject


def _problem(error: DebusineError) -> web.Response:
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    extra = {"Retry-After": RETRY_AFTER[status]} if status in RETRY_AFTER else {}
    if isinstance(error, TooManyUnknownKeys | errors.Unavailable) and error.retry_after is not None:
        extra["Retry-After"] = str(error.retry_after)
    if isinstance(error, RangeNotSatisfiable):
        extra["Content-Range"] = f"bytes */{error.size}"
    return problem_answer(status, Problem(error.title, _detail(error), error.validation_errors), extra)


def _unforeseen(request: web.Request) -> Problem:
    return Problem("Internal error", f"The server's log has more, under the request id {request[REQUEST_ID]}")


def _detail(error: DebusineError) -> str | None:
    if isinstance(error, DatabaseUnreachable):  # its reason names the place of the database
        logger.warning("%s", error)
        return "Try again in a moment"
    return error.detail


def _http_problem(error: web.HTTPException) -> web.Response:
    kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Location"}}
    return problem_answer(error.status, Problem(error.reason), kept)
