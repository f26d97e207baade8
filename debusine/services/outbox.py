"""The outbox: servers take notifications in hand, and record what became of each try."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import Factory, evolve, frozen

from debusine.config import Limits
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.notifications import DeliveryOutcome, NotificationChannel, OutboxEntry, OutboxState
from debusine.domain.work_requests import WorkRequest

#: Seconds between two tries, at most, also when the other side asks for more.
LONGEST_PAUSE = 3600.0
#: Seconds that a server has a notification in hand beyond the time of the call: to record how it ended.
TO_RECORD = 60.0
#: Notifications that are forgotten in one transaction.
FORGOTTEN = 500


@frozen
class Claimed:
    """A notification that this server has in hand, with what it tells of."""

    entry: OutboxEntry
    channel: NotificationChannel
    work_request: WorkRequest
    #: The workspace's name.
    workspace: str


@frozen(kw_only=True)
class Tried:
    """What became of one try."""

    #: ``DELIVERED``: every recipient is settled.
    outcome: DeliveryOutcome
    #: Recipients that need no other try: "" for who got it, the reason for who never will.
    settled: Mapping[str, str] = Factory(dict)
    #: What went wrong, in one line.
    error: str | None = None
    #: Seconds that the other side wants to be left alone.
    retry_after: float = 0.0


def any_due(uow: UnitOfWork, methods: Sequence[str]) -> bool:
    """Whether something waits for these methods that nobody has in hand."""
    return uow.outbox.any_due(methods, at=uow.now, now=uow.servers.now())


def claim(uow: UnitOfWork, method: str, *, server: int, limits: Limits, limit: int) -> Sequence[Claimed]:
    """Take what has waited longest for a method in hand; what a dead server had counts as a lost try."""
    name, now = uow.servers.get(server).name, uow.servers.now()
    until = now + timedelta(seconds=limits.notification_call + TO_RECORD)
    entries = uow.outbox.claim(method, at=uow.now, now=now, server=server, until=until, limit=limit)
    again = [entry.id for entry in entries if entry.tries > 1]
    if again:
        uow.deliveries.lose(again, at=uow.now)
    for entry in entries:
        uow.deliveries.insert(entry=entry.id, number=entry.tries, server=name, started_at=uow.now)
    found = (_with_facts(uow, entry) for entry in entries)
    return [claimed for claimed in found if claimed is not None]


def record(uow: UnitOfWork, entry: OutboxEntry, tried: Tried, limits: Limits, jitter: float) -> OutboxEntry | None:
    """Record what became of a try; None: another server has taken the notification over, or nobody wants it any more.

    ``jitter`` stretches the pause before the next try, so that not all come back in the same moment.
    """
    present = uow.outbox.get_or_none(entry.id, lock=True)
    if present is None or present.tries != entry.tries:
        return None
    _record_delivery(uow, entry, tried)
    if present.state is not OutboxState.WAITING:
        return None
    after = _after(present.settle(tried.settled), tried, uow.now, limits, jitter)
    uow.outbox.save(after, expecting=present)
    return after


def forget(uow: UnitOfWork, memory: float) -> bool:
    """Drop what ended more than this many seconds ago; True: there may be more of it."""
    return uow.outbox.forget_ended(before=uow.now - timedelta(seconds=memory), limit=FORGOTTEN) == FORGOTTEN


def give_up(uow: UnitOfWork, methods: Sequence[str], unusable: Mapping[str, str], patience: float) -> None:
    """End what no server could send for this many seconds; ``methods``: what can be sent here."""
    for entry in uow.outbox.stranded(methods, before=uow.now - timedelta(seconds=patience), limit=FORGOTTEN):
        reason = unusable.get(entry.method, "no plugin offers it")
        error = f"Given up: the notification method {entry.method} cannot be used on this server: {reason}"
        uow.outbox.save(entry.end(at=uow.now, error=error), expecting=entry)


def _with_facts(uow: UnitOfWork, entry: OutboxEntry) -> Claimed | None:
    channel = uow.channels.get_or_none(entry.channel) if entry.channel is not None else None
    if channel is None:  # deleted in the moment in which the notification was written
        error = f"The channel {entry.channel_name} was deleted"
        uow.outbox.save(entry.end(at=uow.now, error=error), expecting=entry)
        _record_delivery(uow, entry, Tried(outcome=DeliveryOutcome.PERMANENT, error=error))
        return None
    work_request = uow.work_requests.get(entry.work_request)
    workspace = uow.workspaces.names({work_request.workspace})[work_request.workspace]
    return Claimed(entry, channel.with_overrides(entry.overrides), work_request, workspace)


def _record_delivery(uow: UnitOfWork, entry: OutboxEntry, tried: Tried) -> None:
    delivery = uow.deliveries.numbered(entry.id, entry.tries)
    if delivery is not None and delivery.outcome is None:
        ended = evolve(delivery, outcome=tried.outcome, ended_at=uow.now, error=tried.error)
        uow.deliveries.save(ended, expecting=delivery)


def _after(entry: OutboxEntry, tried: Tried, now: datetime, limits: Limits, jitter: float) -> OutboxEntry:
    if tried.outcome is DeliveryOutcome.DELIVERED:
        return entry.end(at=now, error=_refusals(entry))
    error = tried.error or "Nothing is known of the reason"
    if tried.outcome is DeliveryOutcome.PERMANENT:
        return entry.end(at=now, error=error)
    if entry.expired(at=now, patience=timedelta(seconds=limits.notification_patience)):
        return entry.end(at=now, error=f"Given up after {entry.tries} tries: {error}")
    pause = min(limits.notification_backoff * 2.0 ** min(entry.tries - 1, 30), LONGEST_PAUSE) * jitter
    pause = max(pause, min(tried.retry_after, LONGEST_PAUSE))
    return entry.retry(due_at=now + timedelta(seconds=pause), error=error)


def _refusals(entry: OutboxEntry) -> str | None:
    return "; ".join(f"{recipient}: {reason}" for recipient, reason in entry.refusals.items()) or None
