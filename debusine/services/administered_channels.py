"""The operator's commands about channels and notifications."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import field, frozen, validators

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.notifications import NotificationChannel, OutboxEntry, OutboxState
from debusine.services import channels
from debusine.services.notification_methods import Methods


@frozen(kw_only=True)
class ChannelCreate:
    """``channel create``."""

    name: str
    method: str
    data: dict[str, Any]
    allow_overrides: bool = False


@frozen(kw_only=True)
class ChannelName:
    """``channel delete``."""

    name: str


@frozen(kw_only=True)
class NotificationList:
    """``notification list``."""

    #: Only those that somebody did not get.
    failed: bool = False
    limit: int = field(default=50, validator=[validators.ge(1), validators.le(1000)])


@frozen(kw_only=True)
class ChannelRow:
    """A channel, for the operator."""

    name: str
    method: str
    allow_overrides: bool
    data: dict[str, Any]


@frozen(kw_only=True)
class DeletedChannel:
    """A channel that is gone."""

    name: str
    #: Notifications that waited for it and will never be sent.
    given_up: int


@frozen(kw_only=True)
class NotificationRow:
    """A notification, for the operator."""

    id: int
    created_at: datetime
    work_request: int
    event: str
    channel: str
    state: str
    tries: int
    #: None: it has ended.
    due_at: datetime | None
    error: str | None


def create(uow: UnitOfWork, arguments: ChannelCreate, methods: Methods) -> ChannelRow:
    """Add a channel."""
    made = channels.create(
        uow,
        methods,
        arguments.name,
        arguments.method,
        arguments.data,
        allow_overrides=arguments.allow_overrides,
    )
    return _row(made)


def listed(uow: UnitOfWork) -> Sequence[ChannelRow]:
    """Show every channel, by name."""
    return [_row(channel) for channel in uow.channels.all()]


def delete(uow: UnitOfWork, arguments: ChannelName) -> DeletedChannel:
    """Take a channel away."""
    return DeletedChannel(name=arguments.name, given_up=channels.delete(uow, arguments.name))


def notifications(uow: UnitOfWork, arguments: NotificationList) -> Sequence[NotificationRow]:
    """Show the latest notifications, newest first."""
    states = [OutboxState.DEAD] if arguments.failed else list(OutboxState)
    return [_notification(entry) for entry in uow.outbox.newest(states=states, limit=arguments.limit)]


def _row(channel: NotificationChannel) -> ChannelRow:
    return ChannelRow(
        name=channel.name,
        method=channel.method,
        allow_overrides=channel.allow_overrides,
        data=dict(channel.data),
    )


def _notification(entry: OutboxEntry) -> NotificationRow:
    return NotificationRow(
        id=entry.id,
        created_at=entry.created_at,
        work_request=entry.work_request,
        event=entry.event,
        channel=entry.channel_name,
        state=entry.state,
        tries=entry.tries,
        due_at=entry.due_at if entry.state is OutboxState.WAITING else None,
        error=entry.error,
    )
