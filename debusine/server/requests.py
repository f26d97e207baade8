"""Requests: what handlers read from them, bounded and strict."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from aiohttp import web
from attrs import frozen

from debusine.config import Limits
from debusine.converter.json import loads
from debusine.converter.structure import structure
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import DebusineError, Invalid, NotFound
from debusine.protocol import headers, resources
from debusine.server.json_bodies import INLINE, BodyTooLarge
from debusine.server.json_limits import check_limits
from debusine.server.keys import JSON_BODIES, SETTINGS, SUBJECT

T = TypeVar("T")

#: The largest number that the databases take for an id.
LAST_ID = 2**63 - 1


class UnsupportedMediaType(DebusineError):
    """A body that should be JSON says that it is something else (415)."""

    def __init__(self, what: str) -> None:
        super().__init__("The body must be plain JSON", detail=f"Send application/json as it is; got {what[:100]!r}")


class SlowBody(DebusineError):
    """A body was announced and its bytes do not come (408)."""

    def __init__(self, seconds: float) -> None:
        super().__init__("The request's body did not arrive", detail=f"No byte came for {seconds:g} seconds")


@frozen
class Form:
    """What is special about the body of one kind of request."""

    title: str
    #: Of the body, in bytes.
    limit: Callable[[Limits], int] = lambda limits: limits.json_body


FORMS: dict[Any, Form] = {
    resources.ArtifactSubmission: Form("Cannot deserialize artifact", lambda limits: limits.artifact_body),
    resources.RelationSubmission: Form("Cannot deserialize artifact relation"),
    resources.WorkRequestSubmission: Form("Cannot deserialize work request"),
    resources.WorkRequestUpdate: Form("Cannot deserialize work request update"),
    resources.CompletionReport: Form("Cannot deserialize work request update"),
    # Anybody may send one: none of them takes the room of the large bodies.
    resources.WorkerRegistration: Form("Cannot deserialize worker", lambda limits: min(limits.json_body, INLINE)),
    dict[str, Any]: Form("Cannot deserialize worker", lambda limits: limits.metadata),
}


async def structured(request: web.Request, into: type[T]) -> T:
    """The request's JSON body as a value of a class; each error says the field's path (400)."""
    form = FORMS.get(into, Form("Cannot deserialize the request"))
    _check_content_type(request)
    limits, bodies = request.app[SETTINGS].limits, request.app[JSON_BODIES]
    limit = form.limit(limits)
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)

    def convert(text: bytes) -> T:
        value = loads(text, depth=limits.json_depth, values=limits.json_values)
        check_limits(value, limits)
        return structure(value, into, title=form.title)

    with bodies.new() as body:
        return await body.converted(convert, await body.read(chunks(request), limit))


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes; ``SlowBody`` when the client stops in the middle."""
    while chunk := await next_chunk(request):
        yield chunk


async def next_chunk(request: web.Request) -> bytes:
    """Some bytes of the body, none at its end; ``SlowBody`` when the client stops in the middle."""
    if chunk := request.content.read_nowait():
        return chunk
    seconds = request.app[SETTINGS].limits.slow_body
    try:
        async with asyncio.timeout(seconds):
            return await request.content.readany()
    except TimeoutError:
        raise SlowBody(seconds) from None


def subject(request: web.Request) -> Subject:
    """Who asks."""
    found: Subject = request.get(SUBJECT, ANONYMOUS)
    return found


def sent_key(request: web.Request) -> str | None:
    """The key that came with a request, whether it opens anything or not."""
    if token := request.headers.get(headers.TOKEN):
        return token.strip()
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def path_id(request: web.Request, name: str = "id") -> int:
    """The number in the request's path."""
    return _id(request.match_info[name])


def query_id(request: web.Request, name: str) -> int | None:
    """A number in the request's query string; None: it is not there."""
    value = request.query.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise Invalid("Invalid query", validation_errors={name: ["This must be a whole number."]})
    return _id(value)


def attempt_header(request: web.Request) -> int | None:
    """The number of the attempt that a worker speaks of; None: it is a foreign worker, or none at all."""
    return headers.parse_attempt(request.headers.get(headers.ATTEMPT))


def running_header(request: web.Request) -> frozenset[tuple[int, int]] | None:
    """The (work request, attempt) pairs that a worker still runs; None: it is a foreign worker."""
    return headers.parse_running(request.headers.get(headers.RUNNING))


def _check_content_type(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise UnsupportedMediaType(request.headers.get("Content-Type", ""))
    if (encoding := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise UnsupportedMediaType(encoding)


def _id(digits: str) -> int:
    if len(digits) > len(str(LAST_ID)) or int(digits) > LAST_ID:
        raise NotFound(f"There is nothing with the number {digits[:30]}")
    return int(digits)
