"""A notification method that keeps what it is to send in memory."""

from attrs import frozen

from debusine.plugin import Notification, NotificationChannel, NotificationMethod, Receipt


@frozen(kw_only=True)
class MemoryOptions:
    """It has no settings."""


class MemoryNotificationMethod(NotificationMethod[MemoryOptions]):
    """Keeps notifications in a list, so that a test can look at them."""

    name = "memory"
    Options = MemoryOptions
    data_schema = {
        "type": "object",
        "properties": {
            "from": {"type": "string"},
            "to": {"type": "array", "items": {"type": "string"}},
            "cc": {"type": "array", "items": {"type": "string"}},
            "subject": {"type": "string"},
        },
        "additionalProperties": False,
    }

    def __init__(self, options: MemoryOptions | None = None) -> None:
        super().__init__(options or MemoryOptions())
        #: With the channel that each went through.
        self.sent: list[tuple[NotificationChannel, Notification]] = []

    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        """Keep it."""
        self.sent.append((channel, notification))
        return Receipt()
