"""Sends a farm's notifications by e-mail."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import NotificationMethod, hookimpl


@hookimpl
def debusine_notification_methods() -> Iterable[type[NotificationMethod[Any]]]:
    """Yield ``email``."""
    from debusine_notify_email.method import Email

    yield Email
