"""The interface of a notification method: a way to tell people something."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from attrs import Factory, field, frozen

from debusine.domain.errors import DebusineError
from debusine.domain.notifications import NotificationChannel, ReactionEvent
from debusine.domain.times import aware
from debusine.domain.work_requests import Result

O = TypeVar("O")  # noqa: E741 - the Options class of a method


class TemporaryFailure(DebusineError):
    """A notification cannot be sent just now; it is tried again later.

    The reason is one sentence for the operator, who reads it in a list. ``retry_after``: seconds to wait at least,
    where the other side has said so. Also for what the operator must mend first (a wrong password, an expired
    certificate): until then nothing is lost.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PermanentFailure(DebusineError):
    """A notification can never be sent: nobody will get it, and it is not tried again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


@frozen(kw_only=True)
class Notification:
    """What people are to be told; all of it is ready to be sent."""

    #: The same at every try, and no other notification has it: letters, digits and any of ``_ -``.
    message_id: str
    event: ReactionEvent
    #: Its id.
    work_request: int
    #: The work request's, when it happened.
    result: Result
    #: One line. It may hold text of a submitter's.
    subject: str
    #: Some lines, each with its ``\n``.
    body: str
    #: Who is to get it now; those who have it already are left out.
    recipients: tuple[str, ...]
    #: When it happened; the same at every try.
    created_at: datetime = field(validator=aware)


@frozen(kw_only=True)
class Receipt:
    """What became of a notification; who is named in neither mapping has got it."""

    #: Recipient → why they will never get it.
    refused: Mapping[str, str] = Factory(dict)
    #: Recipient → why they could not get it just now; it is sent to them again later.
    deferred: Mapping[str, str] = Factory(dict)


class NotificationMethod(ABC, Generic[O]):
    """Sends notifications through channels of its kind.

    One object is built for each process, from its structured ``Options``, inside the running event loop. Several calls
    of ``send`` may run at the same time. No method blocks the event loop: what blocks runs through
    ``debusine.plugin.in_thread``.
    """

    #: What operators write in ``debusine-admin channel create CHANNEL METHOD`` to choose this method.
    name: ClassVar[str]
    #: A keyword-only attrs class of the settings in ``[notifications.NAME.options]``; secrets are typed ``Secret``. A
    #: method whose settings all have defaults can be used without being configured.
    Options: ClassVar[type[Any]]
    #: The JSON Schema (draft 2020-12) of ``NotificationChannel.data``: a channel's data is checked on every save, and
    #: again with what a submitter changes. Formats are checked, ``email`` strictly: ``local@domain`` and nothing else.
    data_schema: ClassVar[Mapping[str, Any]]

    def __init__(self, options: O) -> None:
        self.options = options

    @classmethod
    def recipients(cls, data: Mapping[str, Any]) -> Sequence[str]:
        """Whom a channel with this data tells; each is accounted for by itself.

        By default all in the lists ``to`` and ``cc``. A channel without recipients is one whole: it gets a notification
        or does not.
        """
        return [*data.get("to", ()), *data.get("cc", ())]

    @abstractmethod
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        """Send a notification to its recipients, once.

        ``channel.data`` fits the schema and holds what the submitter changed. Once this returns, those who are named in
        no mapping of the receipt have the notification, or somebody durable does who will bring it to them. Raises
        ``TemporaryFailure`` or ``PermanentFailure`` when nobody got it; any other error counts as the method's own
        fault, and the notification is tried again. After an error or a crash the same notification may come once more,
        with the same ``message_id``. A call that takes too long is cancelled: end soon then.
        """

    async def aclose(self) -> None:
        """Let go of connections and threads; nothing is called afterwards."""
