"""Notification channels: the operator makes, lists and deletes them."""

import re
from collections.abc import Mapping
from typing import Any

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.notifications import NotificationChannel
from debusine.protocol.reactions import CHANNEL_NAME
from debusine.services.notification_methods import Methods


class ChannelExists(Conflict):
    """A channel has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a channel {name!r} already; choose another name, or delete it first with: "
            f"debusine-admin channel delete {name}"
        )


class InvalidChannelName(Invalid):
    """The protocol has no room for such a name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot be the name of a channel: begin with a letter, go on with letters, digits and any of "
            "+ . _ -, 20 characters at most"
        )


class NoSuchChannel(NotFound):
    """No channel has this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no channel {name!r}; there are: {', '.join(known) or 'none'}")


def create(
    uow: UnitOfWork, methods: Methods, name: str, method: str, data: Mapping[str, Any], *, allow_overrides: bool
) -> NotificationChannel:
    """Make a channel; ``InvalidFields`` says what its method does not like about the data."""
    if not re.fullmatch(CHANNEL_NAME, name):
        raise InvalidChannelName(name)
    methods.named(method).schema.check(data, title=f"Cannot create the channel {name}", path="data")
    if uow.channels.by_name(name) is not None:
        raise ChannelExists(name)
    return uow.channels.insert(name=name, method=method, data=data, allow_overrides=allow_overrides)


def delete(uow: UnitOfWork, name: str) -> int:
    """Take a channel away; what still waits for it will never be sent, and is kept as dead; returns how many."""
    channel = uow.channels.by_name(name)
    if channel is None:
        raise NoSuchChannel(name, [each.name for each in uow.channels.all()])
    waiting = uow.outbox.waiting_for(channel.id)
    for entry in waiting:
        uow.outbox.save(entry.end(at=uow.now, error=f"The channel {name} was deleted"), expecting=entry)
    uow.channels.delete(channel.id)
    return len(waiting)
