"""Server processes in the database, with their signs of life by the database's own clock."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.repository import Repository
from debusine.db.types import Instant
from debusine.domain.servers import Server


class ServerRepository(Repository[Server]):
    """Finds and keeps servers."""

    table = tables.servers
    noun = Server
    title = "server"

    def now(self) -> datetime:
        """The moment by the clock that all servers share."""
        return cast(datetime, self.connection.scalar(sa.select(sa.func.now(type_=Instant()))))

    def beat(self, server: int) -> bool:
        """Record a sign of life; False: others have taken the server for dead."""
        statement = sa.update(self.table).where(self.table.c.id == server).values(beat_at=self.now())
        return self.connection.execute(statement).rowcount == 1

    def ids(self) -> list[int]:
        """Every server that is known."""
        return list(self.connection.scalars(sa.select(self.table.c.id)))

    def silent(self, for_: timedelta) -> list[int]:
        """The servers without a sign of life for that long."""
        statement = sa.select(self.table.c.id).where(self.table.c.beat_at < self.now() - for_)
        return list(self.connection.scalars(statement))

    def forget(self, servers: Collection[int]) -> None:
        """Remove servers; nobody's socket is with them any more."""
        for batch in batches(servers):
            self.connection.execute(sa.delete(self.table).where(self.table.c.id.in_(batch)))
