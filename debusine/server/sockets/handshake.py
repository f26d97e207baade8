"""Handshakes: what is looked at before a websocket is opened, whoever asks for it."""

from aiohttp import web
from yarl import URL

from debusine.domain.errors import Invalid, PermissionDenied
from debusine.server.urls import urls

#: The headers of a handshake; none of them has a use for other characters than those of ASCII.
HEADERS = ("Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "Sec-WebSocket-Extensions")


class ForeignOrigin(PermissionDenied):
    """A page of somebody else's, in a browser, asks for a websocket."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"Pages of {origin[:200]!r} get no websocket here")


class InvalidHandshake(Invalid):
    """A header of a handshake is none that a websocket's client would send."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The header {name} is malformed")


def check_handshake(request: web.Request) -> None:
    """Return when a websocket may be opened; who asks for it is another matter."""
    origin = request.headers.get("Origin")  # only browsers send it
    if origin is not None and origin != str(URL(urls(request).base).origin()):
        raise ForeignOrigin(origin)
    for name in HEADERS:  # aiohttp would fail over such a header while it writes its refusal
        if not all(value.isascii() for value in request.headers.getall(name, ())):
            raise InvalidHandshake(name)
