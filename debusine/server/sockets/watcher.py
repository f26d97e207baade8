"""One socket of somebody who watches completions: what waits to be said on it, and what was said."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from debusine.config import Limits
from debusine.converter.json import dumps
from debusine.domain.completions import Completion
from debusine.protocol.messages import Text, closing, say
from debusine.server.sockets.speaker import FAREWELL, listen, say_and_close
from debusine.services.completions import Watch


def new_watching_socket(limits: Limits) -> web.WebSocketResponse:
    """A socket that bears silence: whoever runs a command for each completion may not answer pings meanwhile."""
    return web.WebSocketResponse(max_msg_size=limits.websocket_frame, timeout=FAREWELL, compress=False, autoping=False)


def told(completion: Completion) -> str:
    """A completion as the protocol tells of it."""
    facts = {
        "work_request_id": completion.work_request,
        "completed_at": completion.completed_at,
        "result": completion.result,
    }
    return dumps(say(Text.WORK_REQUEST_COMPLETED, **facts)).decode()


class Watcher:
    """Somebody who watches: each completion is said as fast as they read, and a few may wait."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, watch: Watch, limits: Limits) -> None:
        self.socket = socket
        self.watch = watch
        self.limits = limits
        #: Behind it lies what was not even made ready to be said.
        self.place = watch.start
        #: The workspaces of which it hears; None: all.
        self.audible = watch.audible
        self._transport = request.transport
        self._waiting: deque[str] = deque()
        self._farewell: Mapping[str, Any] | None = None
        self._something = asyncio.Event()

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be told."""
        return self._farewell is not None

    @property
    def user(self) -> int | None:
        """Who watches; None: somebody unknown."""
        return self.watch.subject.user.id if self.watch.subject.user is not None else None

    @property
    def token(self) -> int | None:
        """The token that opened it; None: none was needed."""
        return self.watch.subject.token.id if self.watch.subject.token is not None else None

    async def run(self, speaking: Coroutine[Any, Any, None]) -> None:
        """Speak until the socket closes; whatever the other side says is ignored."""
        task = asyncio.create_task(speaking, name="watching socket")
        task.add_done_callback(lambda _: self._break_off())
        try:
            await listen(self.socket, self.limits)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await task

    def offer(self, completion: Completion, text: str) -> None:
        """Have a completion told soon, if it is news and meant for this watcher; close when too many wait already."""
        if self.place >= completion.place:
            return
        self.place = completion.place
        if self.audible is not None and completion.workspace not in self.audible:
            return
        if len(self._waiting) >= self.limits.websocket_queue:
            self._break_off()
            return
        self._waiting.append(text)
        self._something.set()

    def end(self, farewell: Mapping[str, Any]) -> None:
        """Have a last message said and the socket closed, soon even if nobody reads."""
        self._farewell = farewell
        self._something.set()
        asyncio.get_running_loop().call_later(FAREWELL, self._break_off)

    def dismiss(self) -> None:
        """End, because the token opens nothing any more."""
        self.end(closing("The token has been disabled"))

    async def say_connected(self) -> None:
        """Say that what is asked for will be told."""
        await self.socket.send_str(dumps(say(Text.CONNECTED)).decode())

    async def tell(self, completion: Completion) -> None:
        """Say a completion now, as soon as there is room on the line."""
        self.place = completion.place
        await self.socket.send_str(told(completion))

    async def speak(self) -> None:
        """Say what was offered, and pings now and then, until the end."""
        while not self.ending:
            await self._wait()
            while self._waiting and not self.ending:
                await self.socket.send_str(self._waiting.popleft())
                await asyncio.sleep(0)  # a thousand others have the same to say
        assert self._farewell is not None
        await say_and_close(self.socket, self._farewell)

    async def _wait(self) -> None:
        """Wait for something to say; a ping keeps the line open, and finds out whether it still is."""
        try:
            async with asyncio.timeout(self.limits.heartbeat):
                await self._something.wait()
        except TimeoutError:
            await self.socket.ping()
        self._something.clear()

    def _break_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()
