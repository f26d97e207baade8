"""Connections: what is not HTTP is answered by a problem, and who does not take an answer is let go."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import http_exceptions, web
from aiohttp.http_parser import RawRequestMessage

from debusine.config import Limits
from debusine.protocol.problems import Problem
from debusine.server.answers import SECURITY_HEADERS, problem_answer

logger = logging.getLogger(__name__)

#: Seconds that requests get to end when the server stops; aiohttp waits this long twice, before and after asking them.
SHUTDOWN = 2.0

#: Bytes of a websocket that are looked at before others have their turn.
PIECE = 4096

#: Why something is not HTTP; the words of the sender are not repeated: they may be a key.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (http_exceptions.LineTooLong, "A line of its head is too long"),
    (http_exceptions.BadHttpMethod, "Its method is not one of HTTP's"),
    (http_exceptions.InvalidURLError, "What it asks for is not a URL"),
    (http_exceptions.BadStatusLine, "Its first line is malformed"),
    (http_exceptions.InvalidHeader, "One of its headers is malformed"),
    (http_exceptions.TransferEncodingError, "Its body is not coded as its headers say"),
    (http_exceptions.BadHttpMessage, "Its head is malformed or has too many headers"),
)


class Connection(web.RequestHandler):
    """One connection, of a client that may be no client of HTTP at all."""

    def __init__(self, manager: web.Server, limits: Limits, **options: Any) -> None:
        super().__init__(manager, **options)
        self._refused = False
        #: What came in on a websocket and was not looked at, and whether nothing more is read until it was.
        self._unheard = b""
        self._held = False
        self._patience = limits.slow_reader
        #: Whose answer was being sent at the last look, and how many bytes of it were taken.
        self._taken: tuple[int, int] | None = None
        self._next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look whether answers are taken."""
        super().connection_made(transport)
        self._look_again()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the parser until it refuses some.

        aiohttp would ask it again for every chunk of a body that is read afterwards, and answer each time.
        """
        if self._refused:
            return
        if self._payload_parser is not None:
            self._hear(data)
            return
        super().data_received(data)
        self._refused = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, once what came in already was looked at."""
        if self._held:
            self._reading_paused = False
            return
        super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Look no more."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never reached the application."""
        if not isinstance(exc, http_exceptions.HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        logger.info("Refused what is not HTTP from %s", request.remote)
        detail = next((text for kind, text in REASONS if isinstance(exc, kind)), None)
        answer = problem_answer(status, Problem("The request is not valid HTTP", detail), SECURITY_HEADERS)
        answer.force_close()
        return answer

    def _hear(self, data: bytes) -> None:
        """Take what comes in on a websocket piece by piece: it may be ten thousands of messages at once."""
        waits, self._unheard = bool(self._unheard), self._unheard + data
        if not waits:
            self._hear_piece()

    def _hear_piece(self) -> None:
        if self.transport is None:
            return
        piece, self._unheard = self._unheard[:PIECE], self._unheard[PIECE:]
        super().data_received(piece)
        if self._unheard:
            self._hold_reading()
            asyncio.get_running_loop().call_soon(self._hear_piece)
        else:
            self._go_on_reading()

    def _hold_reading(self) -> None:
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def _go_on_reading(self) -> None:
        if self._held and self.transport is not None and not self.transport.is_closing():
            self._held = False
            if not self._reading_paused:  # by a reader of the messages that is behind
                self.transport.resume_reading()

    def _look(self) -> None:
        """Cut a connection whose client took nothing since the last look, though something waits for it."""
        transport = self.transport
        if transport is None:
            return
        waiting = transport.get_write_buffer_size()
        request = self._current_request
        taken = (id(request), (request.writer.output_size if request is not None else 0) - waiting)
        if waiting and taken == self._taken:
            logger.info("Cut a connection whose client takes nothing any more")
            transport.abort()
            return
        self._taken = taken if waiting else None
        self._look_again()

    def _look_again(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(self._patience, self._look)


class Server(web.Server):
    """Makes the connections."""

    def __init__(self, other: web.Server, limits: Limits, options: dict[str, Any]) -> None:
        super().__init__(self._handle, request_factory=other.request_factory)
        self._application = other.request_handler
        self._limits = limits
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """A new one."""
        return Connection(self, self._limits, loop=asyncio.get_running_loop(), **self._options)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        expected = request.headers.get("Expect", "100-continue")
        if expected.lower() != "100-continue":  # aiohttp refuses it in plain text, and fails over other than ASCII
            problem = Problem("Only 100-continue can be expected")
            return problem_answer(HTTPStatus.EXPECTATION_FAILED, problem, SECURITY_HEADERS)
        try:
            return await self._application(request)
        except ConnectionError:  # who expected to be told to go on has gone
            return web.Response(status=HTTPStatus.BAD_REQUEST)


class Runner(web.AppRunner):
    """Runs an application within the limits of connections."""

    def __init__(self, app: web.Application, limits: Limits) -> None:
        super().__init__(app, shutdown_timeout=SHUTDOWN)
        self._limits = limits

    async def _make_server(self) -> web.Server:
        options = {
            "access_log": None,
            "auto_decompress": False,  # garbage in a compressed body would be an error of the server's
            "keepalive_timeout": self._limits.keep_alive,
            "max_headers": self._limits.headers,
        }
        return Server(await super()._make_server(), self._limits, options)
