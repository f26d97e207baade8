"""The notification method ``email``."""

import asyncio

from debusine.plugin import Notification, NotificationChannel, NotificationMethod, Receipt, in_thread
from debusine_notify_email.connection import Scissors
from debusine_notify_email.messages import message_bytes
from debusine_notify_email.options import EmailOptions
from debusine_notify_email.transaction import send

#: Addresses in one list.
MOST = 100

ADDRESS = {"type": "string", "format": "email"}


class Email(NotificationMethod[EmailOptions]):
    """Sends one message to all recipients, and accounts for each of them."""

    name = "email"
    Options = EmailOptions
    data_schema = {
        "type": "object",
        "properties": {
            "from": ADDRESS,
            "to": {"type": "array", "items": ADDRESS, "minItems": 1, "maxItems": MOST},
            "cc": {"type": "array", "items": ADDRESS, "maxItems": MOST},
            "subject": {"type": "string", "minLength": 1, "maxLength": 500},
        },
        "required": ["from", "to"],
        "additionalProperties": False,
    }

    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        """Hand the message to the server in a thread; cancelled, cut the connection."""
        message = message_bytes(notification, channel.data)
        sender = self.options.bounces or channel.data["from"]
        scissors = Scissors()
        work = asyncio.ensure_future(in_thread(send, self.options, sender, notification.recipients, message, scissors))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            scissors.cut()
            await asyncio.gather(work, return_exceptions=True)
            raise
