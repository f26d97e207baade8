"""The timers of work in workers' hands: lost workers, assignments that nobody fetches, attempts without an end."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.db.work_requests import InHand
from debusine.domain.errors import Conflict, NotFound, StorageFull, Unavailable
from debusine.domain.events import Event, WorkerDisconnected
from debusine.domain.work_requests import Status
from debusine.scheduler.alarm import Alarm
from debusine.scheduler.deadlines import Deadlines
from debusine.services import attempts

logger = logging.getLogger(__name__)


class Timers:
    """Takes work from those who will not finish it.

    Every server watches everything that is in a worker's hand, each by its own monotonic clock: should the one die
    that held a worker's socket, the others go on counting. What a timer does is conditional, so one of them wins.
    """

    def __init__(self, database: Database, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.database = database
        self.limits = limits
        #: (worker, connection): since the socket closed.
        self._absent = Deadlines[tuple[int, int]](clock)
        #: (work request, assigned at): since the assignment was seen.
        self._unfetched = Deadlines[tuple[int, datetime]](clock)
        #: (work request, attempt): since it was fetched.
        self._running = Deadlines[tuple[int, int]](clock)
        self._absence = limits.restart_return
        self._alarm = Alarm()
        self._stopping = False
        database.subscribe(self._listen)

    async def run(self) -> None:
        """Look at what is in workers' hands until asked to stop."""
        while not self._stopping:
            await self.sweep()
            await self._alarm.wait(self.limits.sweep)

    def stop(self) -> None:
        """Have the loop end after the sweep that is under way."""
        self._stopping = True
        self._alarm.ring()

    async def sweep(self) -> None:
        """Look once, and act on what is overdue."""
        try:
            now, in_hand = await self.database.read(_in_hand)
            await self._lose_absent_workers(in_hand)
            await self._take_back_unfetched(in_hand)
            await self._end_overlong_attempts(in_hand, now)
        except (Conflict, NotFound, StorageFull, Unavailable) as error:
            logger.warning("A sweep failed and will be made again: %s", error)

    async def _lose_absent_workers(self, in_hand: Sequence[InHand]) -> None:
        absent = {(each.worker, each.connection) for each in in_hand if each.connected_at is None}
        for worker, connection in self._absent.overdue(dict.fromkeys(absent, self._absence)):
            logger.warning("Worker %s is lost; its work is given to others", worker)
            await self.database.write(attempts.lose, worker, connection)
        # Whoever was absent at the start had no chance to come back while there was no server.
        self._absence = self.limits.worker_return

    async def _take_back_unfetched(self, in_hand: Sequence[InHand]) -> None:
        unfetched = {(each.id, each.assigned_at) for each in in_hand if each.status is Status.PENDING}
        for work_request, assigned_at in self._unfetched.overdue(dict.fromkeys(unfetched, self.limits.assignment)):
            logger.warning("Work request %s was assigned and not fetched; it waits again", work_request)
            await self.database.write(attempts.take_back, work_request, assigned_at)

    async def _end_overlong_attempts(self, in_hand: Sequence[InHand], now: datetime) -> None:
        left = {(each.id, each.attempt): self._left(each, now) for each in in_hand if each.started_at is not None}
        for work_request, attempt in self._running.overdue(left):
            logger.warning("Attempt %s at work request %s took too long", attempt, work_request)
            await self.database.write(attempts.time_out, work_request, attempt)

    def _left(self, running: InHand, now: datetime) -> float:
        """Seconds that an attempt has left; over a restart its start is known by the wall clock only."""
        assert running.started_at is not None
        return running.timeout + self.limits.overtime - (now - running.started_at).total_seconds()

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, WorkerDisconnected):
                self._absent.note((event.worker, event.connection), self.limits.worker_return)


def _in_hand(uow: UnitOfWork) -> tuple[datetime, Sequence[InHand]]:
    return uow.now, uow.work_requests.in_hand()
