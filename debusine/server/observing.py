"""Observing: each request has an id, a line in the log, and is counted; the outermost of the middlewares."""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from debusine import logs
from debusine.server.addresses import from_trusted_proxy
from debusine.server.keys import REQUEST_ID, TRAFFIC
from debusine.server.requests import sent_key, subject
from debusine.server.route import Route, path_of, route_of

logger = logging.getLogger("debusine.access")

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADER = "X-Request-ID"
#: Shorter than a key, so that none passes for an id.
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,48}", re.ASCII)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: In the place of a route or method that the server does not have.
UNKNOWN = "unknown"

#: For our own eyes only: the client went away before its answer.
CLIENT_GONE = 499


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request, then count it and write it down."""
    request[REQUEST_ID] = id_ = _id(request)
    logs.begin(sent_key(request), request=id_)
    route, traffic, started = route_of(request), request.app[TRAFFIC], time.perf_counter()
    socket = path_of(route) if route is not None and route.socket else None
    traffic.in_flight += 1
    if socket is not None:
        traffic.sockets[socket] += 1
    response = None
    try:
        response = await handler(request)
    finally:
        traffic.in_flight -= 1
        if socket is not None:
            traffic.sockets[socket] -= 1
        _account(request, route, response, time.perf_counter() - started)
    return response


async def show_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the client the request's id (an ``on_response_prepare``)."""
    response.headers[HEADER] = request.get(REQUEST_ID) or _id(request)


def _id(request: web.Request) -> str:
    if from_trusted_proxy(request) and _GOOD_ID.fullmatch(given := request.headers.get(HEADER, "")):
        return given
    return secrets.token_hex(8)


def _account(request: web.Request, route: Route | None, response: web.StreamResponse | None, seconds: float) -> None:
    traffic = request.app[TRAFFIC]
    status = CLIENT_GONE if response is None else response.status
    sent = _sent(request, response)
    traffic.received += request.content.total_bytes
    traffic.sent += sent
    name = UNKNOWN if route is None else path_of(route)
    method = request.method if request.method in METHODS else UNKNOWN
    if route is not None and route.socket and status == HTTPStatus.SWITCHING_PROTOCOLS:
        traffic.answered[name, method, status] += 1  # its length tells nothing of how quick the server is
    else:
        traffic.answer(name, method, status, seconds)
    if logger.isEnabledFor(logging.INFO):
        _write_down(request, method, _shown(request, name), status, seconds, sent)


def _write_down(request: web.Request, method: str, path: str, status: int, seconds: float, sent: int) -> None:
    who = subject(request).token
    facts = {
        "duration": round(seconds, 6),
        "received": request.content.total_bytes,
        "sent": sent,
        "subject": "anonymous" if who is None else f"token {who.id}",
    }
    logger.info("%s %s %s", method, path, status, extra={"facts": facts, "own_words": True})


def _sent(request: web.Request, response: web.StreamResponse | None) -> int:
    """Bytes; also of an answer that broke off."""
    if response is None or response.prepared:
        return request.writer.output_size
    return response.content_length or 0


def _shown(request: web.Request, path: str) -> str:
    """The route's path with the number that was asked for; other parts may be anything, also a key."""
    return path.replace("{id}", request.match_info.get("id", "{id}")[:20])
