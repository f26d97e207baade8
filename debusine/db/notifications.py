"""Notification channels in the database."""

from collections.abc import Collection, Sequence

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.notifications import NotificationChannel


class ChannelRepository(Repository[NotificationChannel]):
    """Finds and keeps notification channels."""

    table = tables.notification_channels
    noun = NotificationChannel
    title = "notification channel"

    def with_names(self, names: Collection[str]) -> Sequence[NotificationChannel]:
        """Those of these channels that exist, by name."""
        return self._all(self._select().where(self.table.c.name.in_(names)).order_by(self.table.c.name))
