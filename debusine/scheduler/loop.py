"""The scheduler's loop."""

import logging
import time
from collections.abc import Callable, Sequence

from debusine.db.database import Database
from debusine.domain.errors import Conflict, StorageFull, Unavailable
from debusine.domain.events import (
    AssignmentTakenBack,
    AttemptEnded,
    ChangedElsewhere,
    Event,
    WorkerChanged,
    WorkRequestBecamePending,
    WorkRequestStarted,
)
from debusine.scheduler.alarm import Alarm
from debusine.scheduler.dispatch import Dispatcher

logger = logging.getLogger(__name__)

#: After these there may be work for a worker that has none.
WAKING = (AttemptEnded, WorkerChanged, WorkRequestBecamePending)


class Scheduler:
    """Assigns waiting work to idle workers whenever there may be something to assign.

    Several may run on one database: every claim is conditional. A lost wake-up costs one interval.
    """

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        *,
        interval: float,
        measured: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.database = database
        self.dispatcher = dispatcher
        #: Seconds between two passes without any event.
        self.interval = interval
        #: Told of each pass how many seconds it took, its commit included.
        self._measured = measured
        self._alarm = Alarm()
        self._stopping = False
        database.subscribe(self._listen)

    async def run(self) -> None:
        """Assign waiting work until asked to stop."""
        while not self._stopping:
            await self.assign_waiting_work()
            await self._alarm.wait(self.interval)

    def stop(self) -> None:
        """Have the loop end after the pass that is under way."""
        self._stopping = True
        self._alarm.ring()

    async def assign_waiting_work(self) -> None:
        """Make passes until one has nothing left to do."""
        try:
            while await self._make_pass():
                pass
        except (Conflict, StorageFull, Unavailable) as error:
            logger.warning("A pass of the scheduler failed and will be made again: %s", error)

    async def _make_pass(self) -> bool:
        began = time.perf_counter()
        more = await self.database.write(self.dispatcher.assign_waiting_work)
        self._measured(time.perf_counter() - began)
        return more

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, AssignmentTakenBack):
                self.dispatcher.sluggish.add(event.worker)
            elif isinstance(event, WorkRequestStarted | WorkerChanged):
                self.dispatcher.sluggish.discard(event.worker)
        if any(isinstance(event, WAKING) for event in events):
            self._alarm.ring()
        elif any(isinstance(event, ChangedElsewhere) for event in events):
            self._alarm.ring_soon()
