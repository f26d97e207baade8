"""Notification channels, the outbox and its deliveries in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.repository import Repository
from debusine.domain.notifications import Delivery, DeliveryOutcome, NotificationChannel, OutboxEntry, OutboxState

_outbox = tables.outbox
_deliveries = tables.deliveries

#: The text is that of the partial index, which the databases use for no other wording.
WAITING = sa.text("outbox.state = 'waiting'")


class ChannelRepository(Repository[NotificationChannel]):
    """Finds and keeps notification channels."""

    table = tables.notification_channels
    noun = NotificationChannel
    title = "notification channel"

    def with_names(self, names: Collection[str]) -> Sequence[NotificationChannel]:
        """Those of these channels that exist, by name."""
        found = (self._all(self._select().where(self.table.c.name.in_(batch))) for batch in batches(sorted(names)))
        return [channel for channels in found for channel in sorted(channels, key=lambda channel: channel.name)]

    def by_name(self, name: str) -> NotificationChannel | None:
        """The channel of this name."""
        return self._one_or_none(self._select().where(self.table.c.name == name))

    def all(self) -> Sequence[NotificationChannel]:
        """Every channel, by name."""
        return self._all(self._select().order_by(self.table.c.name))


class OutboxRepository(Repository[OutboxEntry]):
    """Finds and keeps what is to be sent."""

    table = _outbox
    noun = OutboxEntry
    title = "notification"
    #: A server whose claim was taken over changes nothing any more.
    guards = ("state", "tries")

    def any_due(self, methods: Collection[str], *, at: datetime, now: datetime) -> bool:
        """Whether something can be claimed."""
        return self.connection.execute(_due(methods, at=at, now=now).limit(1)).first() is not None

    def claim(
        self, method: str, *, at: datetime, now: datetime, server: int, until: datetime, limit: int
    ) -> Sequence[OutboxEntry]:
        """Take what has waited longest in hand; ``at`` is our time, ``now`` and ``until`` are the database's."""
        found = _due([method], at=at, now=now).limit(limit).with_for_update(skip_locked=True)
        entries = self._all(found)
        claimed = [evolve(entry, tries=entry.tries + 1, server=server, leased_until=until) for entry in entries]
        for before, after in zip(entries, claimed, strict=True):
            self.save(after, expecting=before)
        return claimed

    def waiting_for(self, channel: int) -> Sequence[OutboxEntry]:
        """What is still to be sent through a channel."""
        return self._all(self._select().where(_outbox.c.channel == channel, WAITING).with_for_update())

    def stranded(self, methods: Collection[str], *, before: datetime, limit: int) -> Sequence[OutboxEntry]:
        """What has waited since before a moment for other methods than these, and nobody has in hand."""
        other = WAITING, _outbox.c.method.not_in(methods), _outbox.c.created_at < before, _outbox.c.server.is_(None)
        return self._all(self._select().where(*other).limit(limit).with_for_update(skip_locked=True))

    def newest(self, *, states: Collection[OutboxState], limit: int) -> Sequence[OutboxEntry]:
        """The latest ones in any of these states, newest first."""
        statement = self._select().where(_outbox.c.state.in_(states)).order_by(_outbox.c.id.desc())
        return self._all(statement.limit(limit))

    def of_work_request(self, work_request: int) -> Sequence[OutboxEntry]:
        """All that was or is to be sent about a work request, oldest first."""
        statement = self._select().where(_outbox.c.work_request == work_request)
        return self._all(statement.order_by(_outbox.c.id))

    def count_by_state(self) -> Mapping[OutboxState, int]:
        """How many there are in each state."""
        waiting, dead, ended = self.connection.execute(_NUMBERS).one()
        return {OutboxState.WAITING: waiting, OutboxState.DEAD: dead, OutboxState.DELIVERED: ended - dead}

    def forget_ended(self, *, before: datetime, limit: int) -> int:
        """Drop those that ended before a moment, with their deliveries; returns how many."""
        old = sa.select(_outbox.c.id).where(_outbox.c.ended_at.is_not(None), _outbox.c.ended_at < before)
        ids = list(self.connection.scalars(old.order_by(_outbox.c.ended_at).limit(limit)))
        if ids:
            self.connection.execute(sa.delete(_outbox).where(_outbox.c.id.in_(ids)))
        return len(ids)


class DeliveryRepository(Repository[Delivery]):
    """Finds and keeps the tries to deliver."""

    table = _deliveries
    noun = Delivery
    title = "delivery"
    guards = ("outcome",)

    def of_entry(self, entry: int) -> Sequence[Delivery]:
        """The tries for one notification, first to last."""
        return self._all(self._select().where(_deliveries.c.entry == entry).order_by(_deliveries.c.number))

    def numbered(self, entry: int, number: int) -> Delivery | None:
        """One try for a notification."""
        statement = self._select().where(_deliveries.c.entry == entry, _deliveries.c.number == number)
        return self._one_or_none(statement)

    def lose(self, entries: Collection[int], *, at: datetime) -> None:
        """Note that the servers that tried these have not come to an end."""
        for batch in batches(sorted(entries)):
            open_ = _deliveries.c.entry.in_(batch), _deliveries.c.outcome.is_(None)
            statement = sa.update(_deliveries).where(*open_)
            self.connection.execute(statement.values(outcome=DeliveryOutcome.LOST, ended_at=at))


def _number(condition: sa.ColumnElement[bool] | sa.TextClause) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(_outbox).where(condition).scalar_subquery()


# Each condition is that of a partial index: the notifications themselves are not read.
_NUMBERS = sa.select(
    _number(WAITING), _number(sa.text("outbox.state = 'dead'")), _number(_outbox.c.ended_at.is_not(None))
)


def _due(methods: Collection[str], *, at: datetime, now: datetime) -> sa.Select[Any]:
    free = sa.or_(_outbox.c.server.is_(None), _outbox.c.leased_until < now)
    ripe = WAITING, _outbox.c.method.in_(methods), _outbox.c.due_at <= at, free
    return sa.select(*OutboxRepository.columns).where(*ripe).order_by(_outbox.c.due_at, _outbox.c.id)
