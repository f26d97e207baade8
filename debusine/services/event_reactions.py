"""Event reactions: what a submitter wants to happen later, checked when he asks for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from debusine.converter.structure import structure
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Invalid
from debusine.domain.notifications import NotificationChannel
from debusine.protocol.reactions import EventReactions, Reaction
from debusine.services.notification_methods import NO_METHODS, Methods

TITLE = "Invalid event_reactions"


class NonExistingChannels(Invalid):
    """Reactions name channels that nobody has made."""

    def __init__(self, names: Iterable[str]) -> None:
        names = sorted(names)
        super().__init__(f"Non-existing channels: {names}", validation_errors={"event_reactions": [f"{names}"]})


class OverridesNotAllowed(Invalid):
    """A reaction sends to somebody else than its channel, which does not allow that."""

    def __init__(self, channel: str) -> None:
        super().__init__(TITLE, detail=f"The channel {channel} does not allow other senders or recipients than its own")


def check(uow: UnitOfWork, reactions: Mapping[str, Any], methods: Methods = NO_METHODS) -> None:
    """Refuse what could not be carried out (400)."""
    wanted = list(structure(reactions, EventReactions, title=TITLE))
    names = {reaction.channel for reaction in wanted}
    channels = {channel.name: channel for channel in uow.channels.with_names(names)} if names else {}
    if missing := names - channels.keys():
        raise NonExistingChannels(missing)
    for reaction in wanted:
        _check_overrides(reaction, channels[reaction.channel], methods)


def _check_overrides(reaction: Reaction, channel: NotificationChannel, methods: Methods) -> None:
    if reaction.readdresses and not channel.allow_overrides:
        raise OverridesNotAllowed(channel.name)
    if reaction.data:
        methods.check(channel.with_overrides(reaction.data), title=TITLE)
