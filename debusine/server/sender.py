"""The sender: brings what waits in the outbox to the notification methods."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from debusine.config import Limits
from debusine.db.database import Database
from debusine.domain.errors import Conflict, Invalid, NotFound, StorageFull, Unavailable
from debusine.domain.events import Event, NotificationQueued
from debusine.domain.notifications import DeliveryOutcome, OutboxEntry, OutboxState
from debusine.plugin import NotificationMethod
from debusine.scheduler.alarm import Alarm
from debusine.server.background import Background
from debusine.server.notification_calls import Call, invalid, one_line
from debusine.services import outbox
from debusine.services.notification_methods import Methods
from debusine.services.notification_texts import compose
from debusine.services.outbox import Claimed, Tried

logger = logging.getLogger(__name__)

#: Seconds between two looks for what can be forgotten, or was given up because nobody can send it.
TIDYING = 600.0
#: Seconds that calls under way may take when the server stops.
GRACE = 1.0
#: Part of the time by which the pauses between two tries differ.
JITTER = 0.25


class Sender:
    """Sends notifications as long as a server runs.

    Several may work on one database: each notification is claimed by one of them, for a while. A lost wake-up costs one
    sweep.
    """

    def __init__(
        self,
        database: Database,
        methods: Methods,
        opened: Mapping[str, NotificationMethod[Any]],
        background: Background,
        *,
        server: int,
        limits: Limits,
        url: Callable[[Claimed], str | None],
    ) -> None:
        self.database = database
        self.methods = methods
        self.opened = opened
        self.background = background
        self.server = server
        self.limits = limits
        #: Where the work request that a notification tells of can be seen.
        self.url = url
        #: By method: calls, also those that hang, so that a method never has more than its share; and what ended before
        #: it became a call, until that is written down.
        self._under_way: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._tidied = -TIDYING
        self._alarm = Alarm()
        self._stopping = False
        database.subscribe(self._listen)

    async def run(self) -> None:
        """Send what is due until asked to stop."""
        while not self._stopping:
            await self.sweep()
            await self._alarm.wait(self.limits.sweep)
        await self._finish()

    def stop(self) -> None:
        """Have the loop end once the calls under way have had a moment to end."""
        self._stopping = True
        self._alarm.ring()

    async def sweep(self) -> None:
        """Look once, and begin to send what is due."""
        try:
            while await self._begin_some():
                pass
            await self._tidy()
        except (Conflict, NotFound, StorageFull, Unavailable) as error:
            logger.warning("Notifications cannot be sent just now: %s", error)

    async def _begin_some(self) -> bool:
        """Claim as much as may run at the same time; True: there was something, so there may be more."""
        free = {name: self.limits.notification_calls - len(self._under_way[name]) for name in self.opened}
        names = [name for name, count in free.items() if count > 0]
        if self._stopping or not names or not await self.database.read(outbox.any_due, names):
            return False
        begun = 0
        for name in names:
            for claimed in await self._claim(name, free[name]):
                self._begin(name, claimed)
                begun += 1
        return begun > 0

    async def _claim(self, method: str, limit: int) -> Sequence[Claimed]:
        return await self.database.write(outbox.claim, method, server=self.server, limits=self.limits, limit=limit)

    def _begin(self, name: str, claimed: Claimed) -> None:
        call = self._called(name, claimed)
        task = self.background.start(f"notification {claimed.entry.id}", self._deliver(claimed, call))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        counted = call.task if isinstance(call, Call) else task
        self._under_way[name].add(counted)
        counted.add_done_callback(lambda _: self._ended(name, counted))

    def _called(self, name: str, claimed: Claimed) -> Call | Tried:
        method = self.opened[name]
        try:
            self.methods.check(claimed.channel, title=f"The channel {claimed.channel.name} does not fit any more")
            recipients = tuple(dict.fromkeys(method.recipients(claimed.channel.data)))
        except Invalid as error:
            return invalid(error)
        except Exception as error:
            logger.exception("The notification method %s (%s) failed", name, type(method).__module__)
            return Tried(outcome=DeliveryOutcome.BROKEN, error=one_line(f"The method failed: {error}"))
        try:
            notification = compose(claimed, recipients, self.url(claimed))
        except Exception as error:  # what a method takes for recipients, say
            logger.exception("Notification %s cannot be composed", claimed.entry.id)
            return Tried(outcome=DeliveryOutcome.BROKEN, error=one_line(f"It cannot be composed: {error}"))
        if recipients and not notification.recipients:  # all was done, and only the last note of it got lost
            return Tried(outcome=DeliveryOutcome.DELIVERED)
        return Call.begin(method, claimed.channel, notification)

    def _ended(self, name: str, task: asyncio.Task[Any]) -> None:
        self._under_way[name].discard(task)
        self._alarm.ring()

    async def _deliver(self, claimed: Claimed, call: Call | Tried) -> None:
        try:
            tried = await call.end(self.limits.notification_call) if isinstance(call, Call) else call
        except asyncio.CancelledError:  # the server stops; the next one tries again
            if isinstance(call, Call):
                call.cancel()
            raise
        await self._record(claimed.entry, tried)

    async def _record(self, entry: OutboxEntry, tried: Tried) -> None:
        """Write down what became of a try, also when the database is away for a while: else it would be sent twice."""
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - it guards no secret
        while True:
            try:
                after = await self.database.write(outbox.record, entry, tried, self.limits, jitter)
            except (StorageFull, Unavailable) as error:
                logger.warning("The delivery of notification %s cannot be recorded just now: %s", entry.id, error)
                await asyncio.sleep(self.limits.sweep)
            except Conflict as error:
                logger.warning("The delivery of notification %s was not recorded: %s", entry.id, error)
                return
            else:
                _tell(entry, after)
                return

    async def _tidy(self) -> None:
        if time.monotonic() - self._tidied < TIDYING:
            return
        self._tidied = time.monotonic()
        while await self.database.write(outbox.forget, self.limits.notification_memory):
            pass
        await self.database.write(
            outbox.give_up, list(self.opened), self.methods.unusable, self.limits.notification_patience
        )

    async def _finish(self) -> None:
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=GRACE)
        for task in self._deliveries:
            task.cancel()

    def _listen(self, events: Sequence[Event]) -> None:
        if any(isinstance(event, NotificationQueued) for event in events):
            self._alarm.ring()


async def close_all(opened: Mapping[str, NotificationMethod[Any]], seconds: float = GRACE) -> None:
    """Close the methods, also when one of them fails to, or takes too long."""

    async def close(method: NotificationMethod[Any]) -> None:
        try:
            await method.aclose()
        except Exception:
            logger.exception("The notification method %s could not be closed", method.name)

    closing = [asyncio.create_task(close(method)) for method in opened.values()]
    if closing:
        _, hanging = await asyncio.wait(closing, timeout=seconds)
        for task in hanging:
            task.cancel()


def _tell(entry: OutboxEntry, after: OutboxEntry | None) -> None:
    about = (entry.id, entry.work_request, entry.channel_name)
    if after is None:
        logger.warning("Notification %s (work request %s, channel %s) is not in our hands any more", *about)
    elif after.state is OutboxState.DELIVERED:
        logger.info("Notification %s (work request %s, channel %s) was delivered", *about)
    elif after.state is OutboxState.DEAD:
        logger.error("Notification %s (work request %s, channel %s) is given up: %s", *about, after.error)
    else:
        logger.warning("Notification %s (work request %s, channel %s) must wait: %s", *about, after.error)
