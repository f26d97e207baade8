"""A websocket on which only the server speaks."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from debusine.config import Limits
from debusine.converter.json import dumps
from debusine.protocol.messages import Text, say

logger = logging.getLogger(__name__)

MINUTE = 60.0

#: Seconds in which the other side may answer the closing of a socket.
FAREWELL = 1.0


def new_socket(limits: Limits) -> web.WebSocketResponse:
    """A socket that closes when the other side gives no sign of life for one and a half heartbeats."""
    return web.WebSocketResponse(
        heartbeat=limits.heartbeat,
        max_msg_size=limits.websocket_frame,
        timeout=FAREWELL,
        compress=False,
        autoping=False,  # pings count, too: ``listen`` answers them
    )


async def say_and_close(socket: web.WebSocketResponse, message: Mapping[str, Any]) -> None:
    """Say one last thing."""
    await socket.send_str(dumps(message).decode())
    await socket.close(code=WSCloseCode.OK)


async def listen(socket: web.WebSocketResponse, limits: Limits) -> None:
    """Ignore whatever the other side says but pings, until the socket closes; close it when that is too much."""
    loop = asyncio.get_running_loop()
    began, heard = loop.time(), 0
    async for message in socket:
        if loop.time() - began > MINUTE:
            began, heard = loop.time(), 0
        heard += 1
        if heard > limits.websocket_rate:
            logger.info("A websocket was closed: more than %d messages came within a minute", limits.websocket_rate)
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many messages")
        elif message.type is WSMsgType.PING:
            await socket.pong(message.data)


class Speaker:
    """Says things on a socket one after the other; each waits at most once, so that the queue is bounded."""

    def __init__(self, socket: web.WebSocketResponse, limits: Limits) -> None:
        self.socket = socket
        self.limits = limits
        #: Messages in order; a dictionary for the sake of its keys.
        self._waiting: dict[str, None] = {}
        self._farewell: Mapping[str, Any] | None = None
        self._something = asyncio.Event()

    def say(self, text: Text, **facts: Any) -> None:
        """Have something said soon; what waits to be said already is not said twice."""
        self._waiting[dumps(say(text, **facts)).decode()] = None
        self._something.set()

    def end(self, farewell: Mapping[str, Any]) -> None:
        """Have a last message said, and the socket closed."""
        self._farewell = farewell
        self._something.set()

    async def run(self) -> None:
        """Speak until the socket closes; whatever the other side says is ignored."""
        speaking = asyncio.create_task(self._speak(), name="websocket speaker")
        asking = asyncio.create_task(self._ask_for_metadata(), name="metadata timer")
        try:
            await listen(self.socket, self.limits)
        finally:
            for task in (speaking, asking):
                task.cancel()
            await asyncio.gather(speaking, asking, return_exceptions=True)

    async def _speak(self) -> None:
        while self._farewell is None:
            await self._something.wait()
            self._something.clear()
            while self._waiting and self._farewell is None:
                message = next(iter(self._waiting))
                del self._waiting[message]
                await self.socket.send_str(message)
        await say_and_close(self.socket, self._farewell)

    async def _ask_for_metadata(self) -> None:
        while True:
            await asyncio.sleep(self.limits.metadata_interval)
            self.say(Text.REQUEST_DYNAMIC_METADATA)
