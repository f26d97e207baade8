"""Answers: JSON, nothing, or a problem, each with exactly the headers that clients compare."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from debusine.converter.json import dumps
from debusine.converter.structure import unstructure
from debusine.logs import without_sent
from debusine.protocol.problems import CONTENT_TYPE, Problem

JSON = "application/json"

#: On every answer; what serves content or pages adds its own.
SECURITY_HEADERS = {
    "Server": "debusine",  # without the versions of everything
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def json_answer(
    value: object, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer that holds a resource, a list of them, or plain values."""
    return _answer(dumps(unstructure(value)), JSON, status, headers)


def plain_answer(value: object, *, status: int = HTTPStatus.OK) -> web.Response:
    """An answer that holds plain values, which nobody looks through any more."""
    return _answer(dumps(value), JSON, status, None)


def empty_answer(status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers=headers)


def problem_answer(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that says what went wrong."""
    # A problem repeats what was sent; people put keys into the strangest places, and answers into logs.
    return _answer(without_sent(dumps(problem.as_dict())), CONTENT_TYPE, status, headers)


def _answer(body: bytes, content_type: str, status: int, headers: Mapping[str, str] | None) -> web.Response:
    # As a plain header: aiohttp's own parameters add a charset, and clients compare for equality.
    return web.Response(body=body, status=status, headers={**(headers or {}), "Content-Type": content_type})
