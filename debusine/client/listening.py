"""Websockets on which only the server speaks."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from attrs import frozen
from yarl import URL

from debusine.client.connection import Connection, translated_errors
from debusine.client.errors import refusal
from debusine.converter.json import InvalidJSON, loads
from debusine.protocol.problems import Problem

logger = logging.getLogger(__name__)

#: Bytes; servers send no longer frames.
LONGEST_MESSAGE = 1 << 20


@frozen(kw_only=True)
class Message:
    """What a server says on a websocket; listeners act by ``text``, else ``reason_code``, else ``reason``."""

    type: str | None = None
    text: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    #: What the message is about, if about one work request.
    work_request_id: int | None = None
    attempt: int | None = None
    #: When and how that was completed, if it was.
    completed_at: str | None = None
    result: str | None = None


_TOLD = {
    "type": str,
    "text": str,
    "reason_code": str,
    "reason": str,
    "work_request_id": int,
    "attempt": int,
    "completed_at": str,
    "result": str,
}


@frozen(eq=False)
class Line:
    """An open websocket."""

    messages: AsyncIterator[Message]
    #: When it was opened by the server's clock, to the second; None: the server does not say.
    opened_at: datetime | None


@asynccontextmanager
async def listening(
    connection: Connection, url: URL, headers: Mapping[str, str], *, heartbeat: float
) -> AsyncIterator[Line]:
    """Hold a websocket; its messages end when the server closes it or is silent for 1.5 ``heartbeat`` seconds."""
    sent = {**connection.access.credentials, **headers}
    with translated_errors(url):
        try:
            async with connection.session.ws_connect(
                url, headers=sent, heartbeat=heartbeat, max_msg_size=LONGEST_MESSAGE
            ) as socket:
                yield Line(_messages(socket), _date(socket))
        except aiohttp.WSServerHandshakeError as error:
            problem = Problem(f"The server answered {error.status} to the websocket", error.message or None)
            raise refusal(error.status, problem) from error


def _date(socket: aiohttp.ClientWebSocketResponse) -> datetime | None:
    date = socket._response.headers.get("Date")  # noqa: SLF001 - no other way to the headers of the handshake
    try:
        return None if date is None else parsedate_to_datetime(date)
    except ValueError:
        return None


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Message]:
    async for frame in socket:
        if frame.type is aiohttp.WSMsgType.TEXT and (message := _message(frame.data)) is not None:
            yield message


def _message(text: str) -> Message | None:
    try:
        value = loads(text)
    except InvalidJSON:
        value = None
    if not isinstance(value, dict):
        logger.warning("The server said something that is no JSON object; it is ignored")
        return None
    known: dict[str, Any] = {key: value[key] for key, kind in _TOLD.items() if type(value.get(key)) is kind}
    return Message(**known)
