"""Recognitions: whose the keys are that come with requests, found out for all who wait by one look at the database.

Nothing is remembered from one look to the next: each begins after the requests that it is for have come, so that a
token which an operator has closed opens nothing any more, whichever server it is shown to.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextvars import Context

from aiohttp import web

from debusine.db.database import Database
from debusine.domain.accounts import Subject
from debusine.services import accounts

#: Who has a key, and whether its last use is written down well enough.
Answer = tuple[Subject, bool]


class Recognitions:
    """Finds out whose keys are; those that come during one look are looked up by the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[asyncio.Future[Answer]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def whose(self, key: str) -> Answer:
        """Who has a key now."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if self._looking is None:
            # In a context of its own: what it says is not about the request that came first.
            self._looking = asyncio.create_task(self._look(), name="recognitions", context=Context())
        return await answer

    async def _look(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                await self._answer(waiting)
        finally:
            self._looking = None

    async def _answer(self, waiting: dict[str, list[asyncio.Future[Answer]]]) -> None:
        try:
            found = await self._database.read(accounts.recognise, waiting.keys())
        except Exception as error:  # noqa: BLE001 - it is that of everybody who waits
            for answer in _open(waiting.values()):
                answer.set_exception(error)
        else:
            for key, answers in waiting.items():
                for answer in _open([answers]):
                    answer.set_result(found[key])


def _open(answers: Iterable[list[asyncio.Future[Answer]]]) -> Iterator[asyncio.Future[Answer]]:
    """Those that somebody still waits for."""
    return (each for several in answers for each in several if not each.cancelled())


RECOGNITIONS = web.AppKey("recognitions", Recognitions)
