"""The sockets of those who watch completions: first what they have missed, then what happens."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import web

from debusine.config import Limits
from debusine.db.database import Database
from debusine.domain.completions import Place, before_all_at
from debusine.domain.errors import Conflict, DebusineError, Invalid, StorageFull, Unavailable
from debusine.domain.events import ChangedElsewhere, Event, WorkRequestCompleted
from debusine.domain.times import EPOCH
from debusine.protocol.messages import closing, rejection
from debusine.scheduler.alarm import Alarm
from debusine.server.admissions import ADMISSIONS
from debusine.server.keys import BACKGROUND, DATABASE, SETTINGS
from debusine.server.requests import sent_key, subject
from debusine.server.sockets.speaker import say_and_close
from debusine.server.sockets.watcher import Watcher, new_watching_socket, told
from debusine.services import completions
from debusine.services.completions import Watch
from debusine.services.rights import BadCredentials

logger = logging.getLogger(__name__)

#: Completions that are read, or looked through, at a time: for one who catches up, and for all who listen.
PAGE = 250
NEWS = 50


class InvalidMoment(Invalid):
    """Nobody can say since when somebody wants to hear of completions."""

    def __init__(self) -> None:
        super().__init__(
            "completed_at_since is not a moment with a time zone",
            detail="Write it as 2027-01-31T12:00:00.000000Z; the + of another time zone must be sent as %2B",
        )


async def watch_completions(request: web.Request) -> web.StreamResponse:
    """Tell of work requests that end; whoever may not hear of them is told so by the first message."""
    socket = new_watching_socket(request.app[SETTINGS].limits)
    await socket.prepare(request)
    try:
        watch = await _admit(request)
    except Unavailable as error:
        logger.warning("Nobody can watch just now: %s", error)
        await say_and_close(socket, closing("Service unavailable"))
    except DebusineError as error:
        await say_and_close(socket, rejection(str(error)))
    else:
        watcher = Watcher(socket, request, watch, request.app[SETTINGS].limits)
        with request.app[ADMISSIONS].holding(watcher.token, watcher.dismiss):
            await request.app[ANNOUNCER].serve(watcher)
    return socket


async def _admit(request: web.Request) -> Watch:
    who = subject(request)
    if who.anonymous and sent_key(request):
        raise BadCredentials
    names = [name for text in request.query.getall("workspaces", []) for name in text.split(",") if name]
    since = _moment(request.query.get("completed_at_since"))
    return await request.app[DATABASE].read(completions.begin, who, names, since)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)  # fails outside the calendar
    raise InvalidMoment


class Announcer:
    """Tells all who watch at this process of each completion, whichever server it was reported to, once and in order.

    Everything is read from the rows, behind the place up to which they were read before: events only say that it is
    time to look, and the next look finds what no event told of.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self.database = database
        self.limits = limits
        #: All of them, and those who know what had happened and hear what happens.
        self._watchers: set[Watcher] = set()
        self._listening: set[Watcher] = set()
        #: Up to here those who listen have been told.
        self._place: Place = before_all_at(EPOCH)
        self._news = Alarm()
        database.subscribe(self._hear)

    async def serve(self, watcher: Watcher) -> None:
        """Tell a watcher of everything behind its place until its socket closes."""
        self._watchers.add(watcher)
        try:
            await watcher.run(self._tell(watcher))
        finally:
            self._watchers.discard(watcher)
            self._listening.discard(watcher)

    async def announce(self) -> None:
        """Tell of what has happened, again and again."""
        while True:
            await self._news.wait(self.limits.sweep)
            try:
                await self._look()
            except (Conflict, StorageFull, Unavailable) as error:  # the next look may succeed
                logger.warning("Completions cannot be told just now: %s", error)

    def close(self) -> None:
        """Say good-bye to everybody; the server stops."""
        for watcher in self._watchers:
            watcher.end(closing("The server is stopping"))

    async def _tell(self, watcher: Watcher) -> None:
        await watcher.say_connected()
        try:
            while await self._catch_up(watcher) or not self._join(watcher):
                pass
        except (Conflict, StorageFull, Unavailable) as error:
            logger.warning("Completions cannot be read just now: %s", error)
            watcher.end(closing("Service unavailable"))
        await watcher.speak()

    def _join(self, watcher: Watcher) -> bool:
        """Have a watcher hear what happens from now on, unless there is something that only the others have heard."""
        if watcher.ending:
            return True
        if not self._listening:
            self._place = max(self._place, watcher.place)
        if watcher.place < self._place:
            return False
        self._listening.add(watcher)
        self._news.ring()
        return True

    async def _catch_up(self, watcher: Watcher) -> bool:
        """Tell one watcher the next of what it has missed, as fast as it reads; whether there is more."""
        page = await self.database.read(completions.page, watcher.watch, watcher.place, PAGE)
        for completion in page.completions:
            if watcher.ending:
                return False
            await watcher.tell(completion)
        watcher.place = page.end
        return page.more

    async def _look(self) -> None:
        """Tell those who listen what has come since the last look."""
        if not self._listening:
            return
        present = list(self._listening)
        subjects = {watcher.user: watcher.watch.subject for watcher in present}
        page, visible = await self.database.read(completions.news, self._place, NEWS, subjects)
        for watcher in present:
            watcher.audible = completions.both(visible[watcher.user], watcher.watch.chosen)
        for completion in page.completions:
            text = told(completion)
            for watcher in self._listening:  # also those who came meanwhile
                watcher.offer(completion, text)
        self._place = max(self._place, page.end)
        if page.more:
            self._news.ring()
        elif page.held_back:
            self._news.ring_soon()

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, WorkRequestCompleted):
                self._news.ring()
            elif isinstance(event, ChangedElsewhere):
                self._news.ring_soon()


async def announcing_completions(app: web.Application) -> AsyncIterator[None]:
    """Have an application tell of completions (a ``cleanup_ctx``)."""
    announcer = Announcer(app[DATABASE], app[SETTINGS].limits)
    app[ANNOUNCER] = announcer
    app[BACKGROUND].start("announcer of completions", announcer.announce())
    yield


async def close_watching_sockets(app: web.Application) -> None:
    """Let go of everybody who watches before the server waits for its handlers (an ``on_shutdown``)."""
    app[ANNOUNCER].close()


ANNOUNCER = web.AppKey("announcer", Announcer)
