"""A line of the URL table: what is asked where, by whom, and how the API's description tells of it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from aiohttp import web
from attrs import field, frozen

from debusine.config import Limits
from debusine.domain.rights import Action

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = "application/json"
BYTES = "application/octet-stream"

#: A part of a path that differs from request to request.
PLACEHOLDER = re.compile(r"\{(?P<name>\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")


@frozen
class Parameter:
    """Something that a caller may say in the query string or in a header."""

    name: str
    #: One sentence for the caller.
    description: str
    #: JSON Schema of the value.
    schema: Callable[[Limits], Mapping[str, Any]] = lambda _: {"type": "string"}
    required: bool = False


@frozen
class Content:
    """A body that is not JSON."""

    media_type: str = BYTES


@frozen
class Answer:
    """An answer that is more than its JSON class."""

    #: A class that is unstructured into JSON, a ``Content``, or None: the body is empty.
    body: Any = None
    #: Beside those that every answer has.
    headers: tuple[Parameter, ...] = ()
    description: str | None = None


@frozen(eq=False)
class Route:
    """One line of the table."""

    method: str
    #: As aiohttp writes them: ``{id:[0-9]+}`` is read by ``requests.path_id``.
    path: str
    #: The first line of its docstring is what the API's description says of the route.
    handler: Handler
    #: What the caller must be allowed to do; services judge the object, this one the subject's kind.
    action: Action
    #: A websocket accepts whoever comes, and says by a message why it will not serve them.
    socket: bool = False

    # The rest is for the API's description alone; a test compares it with what the server does.

    #: What the body of a request becomes: a class, a ``Content``, or None: there is none.
    takes: Any = field(default=None, kw_only=True)
    #: Status → class of the JSON answer, ``Content``, ``Answer``, or None: without a body.
    gives: Mapping[int, Any] = field(factory=dict, kw_only=True)
    #: Parameters in the query string.
    query: tuple[Parameter, ...] = field(default=(), kw_only=True)
    #: Headers that the route reads, beside those that every route reads.
    headers: tuple[Parameter, ...] = field(default=(), kw_only=True)
    #: Statuses of refusals, beside those that its method, body and action bring with them (``openapi.PROBLEMS``).
    problems: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def described(self) -> bool:
        """Whether programs use it, and the API's description tells of it; pages are for people."""
        return bool(self.gives)


#: The line of the table by which a request was routed.
TABLE = web.AppKey("table", dict[web.AbstractRoute, Route])


def route_of(request: web.Request) -> Route | None:
    """The line of the table that a request meets; None: no such path or method."""
    return request.app.get(TABLE, {}).get(request.match_info.route)  # the operator's socket has no table


@cache
def path_of(route: Route) -> str:
    """A route's path with plain placeholders: ``/artifact/{id}/``."""
    return PLACEHOLDER.sub(r"{\g<name>}", route.path)
