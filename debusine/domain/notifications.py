"""Notifications: the channels by which people hear of work, and what is on its way to them.

waiting ──► delivered
   └──────► dead          somebody did not get it, and will not
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from debusine.domain.errors import IllegalTransition
from debusine.domain.times import aware
from debusine.domain.work_requests import Result


@frozen(kw_only=True)
class NotificationChannel:
    """A named way to tell people something."""

    id: int
    name: str
    #: The notification method's name.
    method: str
    #: In the form that the method's schema demands.
    data: Mapping[str, Any] = field(factory=dict)
    #: Whether a submitter may choose sender and recipients.
    allow_overrides: bool = False

    def with_overrides(self, overrides: Mapping[str, Any] | None) -> "NotificationChannel":
        """The channel as one submitter wants it."""
        return evolve(self, data={**self.data, **overrides}) if overrides else self


class ReactionEvent(StrEnum):
    """What can happen to a work request that somebody may want to hear of."""

    ON_CREATION = "on_creation"
    ON_UNBLOCK = "on_unblock"
    ON_ASSIGNMENT = "on_assignment"
    ON_SUCCESS = "on_success"
    #: It ended with ``failure`` or ``error``.
    ON_FAILURE = "on_failure"


class OutboxState(StrEnum):
    """Where a notification is on its way."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    #: Given up, for at least one recipient.
    DEAD = "dead"


class DeliveryOutcome(StrEnum):
    """How one try to deliver a notification ended."""

    DELIVERED = "delivered"
    #: Some recipients have it, others may get it later.
    PARTIAL = "partial"
    #: It may work later.
    TEMPORARY = "temporary"
    #: It will never work.
    PERMANENT = "permanent"
    #: The method did not come to an end in time.
    TIMEOUT = "timeout"
    #: The method broke its contract.
    BROKEN = "broken"
    #: The server that tried was gone before it could say.
    LOST = "lost"


@frozen(kw_only=True)
class OutboxEntry:
    """A notification that is to be sent through a channel; written with the change that it tells of."""

    id: int
    #: What makes its message id like no other.
    stem: str
    work_request: int
    event: ReactionEvent
    #: The work request's, when it happened.
    result: Result = Result.NONE
    #: None: the channel was deleted.
    channel: int | None
    #: The names that the channel and its method had.
    channel_name: str
    method: str
    #: What the submitter wants otherwise than the channel says.
    overrides: Mapping[str, Any] | None = None
    created_at: datetime = field(validator=aware)
    state: OutboxState = OutboxState.WAITING
    #: When it is to be tried next.
    due_at: datetime = field(validator=aware)
    #: How often a server took it to be sent; a server that took it earlier has no say any more.
    tries: int = 0
    #: The server that has it in hand, and until when, by the database's clock.
    server: int | None = None
    leased_until: datetime | None = field(default=None, validator=aware)
    #: Recipients that need no other try: "" for who has it, the reason for who never will.
    settled: Mapping[str, str] = field(factory=dict)
    ended_at: datetime | None = field(default=None, validator=aware)
    #: What went wrong last.
    error: str | None = None

    @property
    def message_id(self) -> str:
        """By which a recipient knows that two messages are one; the same at every try."""
        return f"debusine-{self.work_request}-{self.event}-{self.stem}"

    @property
    def refusals(self) -> Mapping[str, str]:
        """Who will never get it, and why."""
        return {recipient: reason for recipient, reason in self.settled.items() if reason}

    def unsettled(self, recipients: Sequence[str]) -> tuple[str, ...]:
        """Those of the recipients that still wait for it."""
        return tuple(recipient for recipient in recipients if recipient not in self.settled)

    def retry(self, *, due_at: datetime, error: str) -> "OutboxEntry":
        """Let go of it until another try."""
        self._must_wait("tried again")
        return evolve(self, due_at=due_at, error=error, server=None, leased_until=None)

    def settle(self, settled: Mapping[str, str]) -> "OutboxEntry":
        """Note what became of some recipients."""
        return evolve(self, settled={**self.settled, **settled})

    def end(self, *, at: datetime, error: str | None = None) -> "OutboxEntry":
        """Nothing more is done for it; ``error``: why somebody did not get it."""
        state = OutboxState.DEAD if error else OutboxState.DELIVERED
        self._must_wait(state)
        return evolve(self, state=state, ended_at=at, error=error, server=None, leased_until=None)

    def expired(self, *, at: datetime, patience: timedelta) -> bool:
        """Whether it has been tried for long enough."""
        return at - self.created_at >= patience

    def _must_wait(self, wanted: str) -> None:
        if self.state is not OutboxState.WAITING:
            raise IllegalTransition("Notification", self.id, self.state, wanted)


@frozen(kw_only=True)
class Delivery:
    """One try to deliver a notification."""

    id: int
    entry: int
    #: 1, 2, 3 … within the notification.
    number: int
    #: The name of the server that tried.
    server: str
    started_at: datetime = field(validator=aware)
    ended_at: datetime | None = field(default=None, validator=aware)
    #: None: it goes on.
    outcome: DeliveryOutcome | None = None
    error: str | None = None
