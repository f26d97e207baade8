"""Admissions: what takes long ends soon after the token by which it was asked for."""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from debusine.db.database import Database
from debusine.domain.errors import StorageFull, Unavailable
from debusine.domain.events import ChangedElsewhere, Event, TokenDisabled
from debusine.scheduler.alarm import Alarm
from debusine.server.keys import BACKGROUND, DATABASE, SETTINGS
from debusine.server.requests import subject
from debusine.services import accounts

logger = logging.getLogger(__name__)


class Admissions:
    """Knows what each token has open, and ends it when the token opens nothing any more."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        #: Seconds between two looks, for what no event tells: a token expires, or another server closes it.
        self._interval = interval
        self._open: defaultdict[int, set[Callable[[], None]]] = defaultdict(set)
        self._alarm = Alarm()
        database.subscribe(self._listen)

    @contextmanager
    def holding(self, token: int | None, end: Callable[[], None]) -> Iterator[None]:
        """Have ``end`` called, soon and once, if the token is closed before the block ends; None: there is none."""
        if token is None:
            yield
            return
        self._open[token].add(end)
        try:
            yield
        finally:
            self._open[token].discard(end)
            if not self._open[token]:
                del self._open[token]

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    async def run(self) -> None:
        """Look at the tokens again and again."""
        while True:
            await self._alarm.wait(self._interval)
            if self._open:
                await self._look()

    async def _look(self) -> None:
        tokens = set(self._open)
        try:
            valid = await self._database.read(accounts.still_valid_among, tokens)
        except (StorageFull, Unavailable) as error:
            logger.warning("The tokens of transfers cannot be checked just now: %s", error)
            return
        for token in tokens - valid:
            for end in self._open.pop(token, ()):
                end()

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TokenDisabled):
                self._alarm.ring()
            elif isinstance(event, ChangedElsewhere):
                self._alarm.ring_soon()


@contextmanager
def admitted(request: web.Request) -> Iterator[None]:
    """Cut the connection if the token of the request is closed before the block ends."""
    who = subject(request)
    token = None if who.anonymous or who.token is None else who.token.id

    def cut() -> None:
        logger.info("A transfer was cut, because its token was closed")
        if request.transport is not None:
            request.transport.abort()

    with request.app[ADMISSIONS].holding(token, cut):
        yield


async def watching_admissions(app: web.Application) -> AsyncIterator[None]:
    """Have an application end what closed tokens have open (a ``cleanup_ctx``)."""
    admissions = Admissions(app[DATABASE], app[SETTINGS].limits.sweep / 2)  # of the five seconds that it may take
    app[ADMISSIONS] = admissions
    app[BACKGROUND].start("admissions", admissions.run())
    yield


ADMISSIONS = web.AppKey("admissions", Admissions)
