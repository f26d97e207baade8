"""Watching: hearing of each work request that ends, also of those that ended while nobody could be told."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from attrs import field, frozen
from yarl import URL

from debusine.client.connection import Connection
from debusine.client.errors import Busy, Refused, Unreachable
from debusine.client.listening import Line, Message, listening
from debusine.domain.errors import DebusineError
from debusine.domain.times import aware
from debusine.protocol.messages import REJECTED, Text

logger = logging.getLogger(__name__)

#: Seconds; a server that is silent for longer than half as much again is taken for gone.
HEARTBEAT = 20.0


class WatchRefused(DebusineError):
    """The server does not tell: the token is not good for it, or there is no such workspace."""

    def __init__(self, reason: str) -> None:
        super().__init__("The server does not tell of completed work requests", detail=reason)


@frozen(kw_only=True)
class Completion:
    """A work request has ended with a result."""

    work_request: int
    completed_at: datetime = field(validator=aware)
    #: ``success``, ``failure`` or ``error``.
    result: str


@frozen(kw_only=True)
class Heard:
    """How far somebody has heard of completions: what has to be kept for going on there later."""

    #: None: of nothing yet.
    last_completed_at: datetime | None = None
    #: What was heard of that was completed at this very moment: servers may tell it again.
    work_requests: frozenset[int] = frozenset()

    def knows(self, completion: Completion) -> bool:
        """Whether this was heard before."""
        return completion.completed_at == self.last_completed_at and completion.work_request in self.work_requests

    def after(self, completion: Completion) -> "Heard":
        """How far it is with one more."""
        last, known = self.last_completed_at, frozenset({completion.work_request})
        if last is None or completion.completed_at > last:
            return Heard(last_completed_at=completion.completed_at, work_requests=known)
        return (
            self
            if completion.completed_at < last
            else Heard(last_completed_at=last, work_requests=self.work_requests | known)
        )


def pause() -> float:
    """Seconds to wait before a new connection: at random, so that many clients do not come back at once."""
    return random.uniform(1.0, 6.0)  # noqa: S311 - no secret


class Watch:
    """Hears of the completions in some workspaces, and goes on where it was whenever the server has been away."""

    def __init__(
        self,
        connection: Connection,
        *,
        workspaces: Collection[str] = (),
        heard: Heard | None = None,
        delay: Callable[[], float] | None = None,
    ) -> None:
        """Watch some workspaces (none: all that one may see) from what was heard on (None: from now on)."""
        self.connection = connection
        self.workspaces = workspaces
        #: How far it is, with the completion that was given last; there is a moment once the server was reached.
        self.heard = heard or Heard()
        #: Whether that moment is only the one of the connection, by a clock that may not be the completions' own.
        self._estimated = False
        self._delay = delay or pause
        self._tried = False

    async def completions(self, begun: Callable[[], None] = lambda: None) -> AsyncGenerator[Completion, None]:
        """Each completion, once, for ever; ``begun`` is called whenever the server is reached.

        To be closed by whoever leaves it (``aclosing``). Raises ``WatchRefused``, ``Refused``, or ``Unreachable``
        when it is of no use to try again.
        """
        while True:
            try:
                async with listening(self.connection, self._url(), {}, heartbeat=HEARTBEAT) as line:
                    async for message in line.messages:
                        if message.text == Text.CONNECTED:
                            self._begin(line)
                            begun()
                        elif (completion := self._heed(message)) is not None:
                            yield completion
                logger.info("The server closed the connection")
            except (Unreachable, Refused) as error:
                if not _passing(error):
                    raise
                self._away(error)
            await asyncio.sleep(self._delay())

    def _away(self, error: Unreachable | Refused) -> None:
        """Say it once, and not at every try."""
        logger.log(logging.DEBUG if self._tried else logging.WARNING, "%s; trying again", error)
        self._tried = True

    def _begin(self, line: Line) -> None:
        logger.info("Connected")
        self._tried = False
        if self.heard.last_completed_at is None:  # nothing is missed from here on, should the line break before news
            self.heard, self._estimated = Heard(last_completed_at=line.opened_at), True

    def _heed(self, message: Message) -> Completion | None:
        if message.type == REJECTED:
            raise WatchRefused(message.reason or "no reason was given")
        if message.text is None and message.reason:
            logger.warning("Disconnected. Reason: %s", message.reason)
        completion = _completion(message)
        if completion is None or self.heard.knows(completion):
            return None
        self.heard = (Heard() if self._estimated else self.heard).after(completion)
        self._estimated = False
        return completion

    def _url(self) -> URL:
        since = self.heard.last_completed_at
        query = {"workspaces": ",".join(self.workspaces), "completed_at_since": since.isoformat() if since else ""}
        told = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
        return self.connection.access.socket_url("work-request/on-completed/" + (f"?{told}" if told else ""))


def _completion(message: Message) -> Completion | None:
    if message.text != Text.WORK_REQUEST_COMPLETED:
        return None
    try:
        moment = datetime.fromisoformat(message.completed_at or "")
        return Completion(work_request=message.work_request_id or 0, completed_at=moment, result=message.result or "")
    except ValueError:
        logger.warning("The server told of a completed work request without saying when; it is ignored")
        return None


def _passing(error: Unreachable | Refused) -> bool:
    """Whether the server may be well again later."""
    if isinstance(error, Unreachable):
        return not error.lasting
    return isinstance(error, Busy) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
