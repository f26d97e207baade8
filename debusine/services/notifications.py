"""Notifications: what the reactions of a work request ask for goes into the outbox, with the change itself."""

import secrets
from collections.abc import Mapping
from typing import Any

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import NotificationQueued
from debusine.domain.notifications import NotificationChannel, OutboxEntry, ReactionEvent
from debusine.domain.work_requests import Result, WorkRequest

#: The event of each result that somebody may want to hear of.
ENDINGS = {
    Result.SUCCESS: ReactionEvent.ON_SUCCESS,
    Result.FAILURE: ReactionEvent.ON_FAILURE,
    Result.ERROR: ReactionEvent.ON_FAILURE,
}

#: What a reaction changes of a channel only where the channel allows it.
ADDRESSES = frozenset({"from", "to", "cc"})


def note(uow: UnitOfWork, event: ReactionEvent, work_request: WorkRequest) -> None:
    """Have those told who wanted to hear of this event; nothing here may fail, or the change itself would."""
    reactions = work_request.event_reactions.get(event)
    if not reactions:
        return
    channels = {each.name: each for each in uow.channels.with_names({reaction["channel"] for reaction in reactions})}
    for reaction in reactions:
        _queue(uow, event, work_request, reaction, channels.get(reaction["channel"]))
    uow.publish(NotificationQueued(work_request.id))


def note_ending(uow: UnitOfWork, work_request: WorkRequest) -> None:
    """Have those told who wanted to hear of the result."""
    if work_request.result in ENDINGS:
        note(uow, ENDINGS[work_request.result], work_request)


def _queue(
    uow: UnitOfWork,
    event: ReactionEvent,
    work_request: WorkRequest,
    reaction: Mapping[str, Any],
    channel: NotificationChannel | None,
) -> None:
    entry = uow.outbox.insert(
        stem=secrets.token_hex(8),
        work_request=work_request.id,
        event=event,
        result=work_request.result,
        channel=channel.id if channel else None,
        channel_name=reaction["channel"],
        method=channel.method if channel else "",
        overrides=reaction.get("data"),
        created_at=uow.now,
        due_at=uow.now,
    )
    if reason := _reason_against(reaction, channel):
        _bury(uow, entry, reason)


def _reason_against(reaction: Mapping[str, Any], channel: NotificationChannel | None) -> str | None:
    """Why what was fine at the submission is not any more."""
    if channel is None:
        return f"There is no channel {reaction['channel']} any more"
    if not channel.allow_overrides and not ADDRESSES.isdisjoint(reaction.get("data") or {}):
        return f"The channel {channel.name} does not allow other senders or recipients than its own any more"
    return None


def _bury(uow: UnitOfWork, entry: OutboxEntry, reason: str) -> None:
    uow.outbox.save(entry.end(at=uow.now, error=reason), expecting=entry)
