"""Notifications in tests: a channel, a work request whose end somebody wants to hear of, and what the outbox holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from debusine.config import Limits
from debusine.db.database import Database
from debusine.domain.accounts import Subject
from debusine.domain.notifications import Delivery, NotificationChannel, OutboxEntry, OutboxState
from debusine.domain.work_requests import Result, WorkRequest
from debusine.protocol.resources import WorkRequestSubmission
from debusine.services import outbox, work_requests
from debusine.services.notification_methods import Methods
from debusine.services.outbox import Claimed, Tried
from tests.work import TASKS, Workshop

LIMITS = Limits()


def reaction(channel: str = "mail", **data: Any) -> dict[str, Any]:
    """Somebody is to be told through a channel."""
    return {"action": "send-notification", "channel": channel, "data": data or None}


async def add_channel(
    database: Database, name: str = "mail", *, method: str = "memory", allow_overrides: bool = False, **data: Any
) -> NotificationChannel:
    """A channel to alice, unless the data say otherwise."""
    values = {"name": name, "method": method, "data": {"to": ["alice"], **data}, "allow_overrides": allow_overrides}
    return await database.write(lambda uow: uow.channels.insert(**values))


async def ask(
    workshop: Workshop, reactions: Mapping[str, Sequence[Mapping[str, Any]]], methods: Methods | None = None
) -> WorkRequest:
    """Submit an ``echo`` with these reactions."""
    submission = WorkRequestSubmission(task_name="echo", task_data={}, event_reactions=dict(reactions))
    more = {} if methods is None else {"methods": methods}
    view = await workshop.database.write(work_requests.create, workshop.user, TASKS, submission, **more)
    return view.work_request


async def finish(workshop: Workshop, result: Result, worker: Subject) -> WorkRequest:
    """Have a worker do what waits."""
    fetched = await workshop.start(worker)
    await workshop.complete(worker, fetched.id, result)
    return await workshop.get(fetched.id)


async def queue(workshop: Workshop, count: int = 1) -> list[OutboxEntry]:
    """Have some notifications wait for the channel ``mail``."""
    for _ in range(count):
        await ask(workshop, {"on_creation": [reaction()]})
    return await entries(workshop.database)


async def entries(database: Database) -> list[OutboxEntry]:
    """All that the outbox holds, oldest first."""
    found = await database.read(lambda uow: uow.outbox.newest(states=list(OutboxState), limit=1000))
    return list(found)[::-1]


async def deliveries(database: Database, entry: OutboxEntry) -> list[Delivery]:
    """The tries for a notification."""
    return list(await database.read(lambda uow: uow.deliveries.of_entry(entry.id)))


async def claim(workshop: Workshop, *, server: int | None = None, limit: int = 10) -> Sequence[Claimed]:
    """Take what is due in hand."""
    return await workshop.database.write(
        outbox.claim, "memory", server=server or workshop.server, limits=LIMITS, limit=limit
    )


async def record(workshop: Workshop, claimed: Claimed, tried: Tried, jitter: float = 1.0) -> OutboxEntry | None:
    """Say what became of a try."""
    return await workshop.database.write(outbox.record, claimed.entry, tried, LIMITS, jitter)
