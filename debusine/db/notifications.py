"""Notification channels in the database."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.notifications import NotificationChannel


class ChannelRepository(Repository[NotificationChannel]):
    """Finds and keeps notification channels."""

    table = tables.notification_channels
    noun = NotificationChannel
    title = "notification channel"
