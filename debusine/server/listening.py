"""Listening: a socket that is bound before anything else happens, and the server behind it."""

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from debusine.config import Limits, split_address
from debusine.domain.errors import ConfigurationError
from debusine.server.connections import Runner


class CannotListen(ConfigurationError):
    """The server cannot have the address at which it should listen."""

    def __init__(self, listen: str, reason: str) -> None:
        super().__init__(f"listen: {listen} cannot be used: {reason}; choose another with --listen HOST:PORT")


def bind(listen: str) -> socket.socket:
    """Take the address; nobody is answered yet."""
    host, port = split_address(listen)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise CannotListen(listen, _reason(error)) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Where the socket is found."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(app: web.Application, bound: socket.socket, limits: Limits) -> AsyncIterator[None]:
    """Answer requests at a bound socket until the block ends; then let those under way end."""
    runner = Runner(app, limits)
    await runner.setup()
    try:
        await _listen(runner, bound)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, bound: socket.socket) -> None:
    try:
        await web.SockSite(runner, bound).start()
    except OSError as error:  # another program bound the same address at the same time, and was faster
        raise CannotListen(url_of(bound).removeprefix("http://"), _reason(error)) from error


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return (error.strerror or str(error)).lower()
