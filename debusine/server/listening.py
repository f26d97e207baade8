"""Listening: a socket that is bound before anything else happens, and the server behind it."""

import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from debusine.config import Limits, split_address
from debusine.domain.errors import ConfigurationError

#: Seconds that requests get to end when the server stops; aiohttp waits this long twice, before and after asking them.
SHUTDOWN = 2.0


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
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # garbage in a compressed body would be an error of the server's
        keepalive_timeout=limits.keep_alive,
        max_headers=limits.headers,
        logger=_logger(),
        shutdown_timeout=SHUTDOWN,
    )
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


class Discreet(logging.Filter):
    """Keeps what malformed requests hold out of the log: it may be a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, those about what is not HTTP without the words of the sender."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.exc_info = "Refused what is not HTTP from %s", None
        return True


def _logger() -> logging.Logger:
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_DISCREET)
    return logger


_DISCREET = Discreet()


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return (error.strerror or str(error)).lower()
