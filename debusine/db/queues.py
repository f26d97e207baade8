"""The queues of waiting work requests in the database: one for each demand in each workspace.

The statements are written by hand, the same text for both databases: each steps through the one partial index from
queue to queue, so that its cost grows with the queues and not with the work requests that wait in them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.engine import insert_or_ignore
from debusine.db.types import Id, Instant
from debusine.domain.demands import Demand


@frozen
class Head:
    """The first work request of one queue."""

    id: int
    priority: int
    created_at: datetime
    workspace: int
    #: The demand's id.
    demand: int


class QueueRepository:
    """Finds what waits, and keeps the demands by which it is sorted."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def demand_id(self, demand: Demand) -> int:
        """The id under which a demand is kept, from now on if it is new."""
        found = self._demand_id(demand.digest)
        if found is None:
            values = {"digest": demand.digest, "canonical": demand.canonical}
            self.connection.execute(insert_or_ignore(self.connection, tables.demands), values)
            found = self._demand_id(demand.digest)
        assert found is not None
        return found

    def demand(self, id_: int) -> Demand:
        """The demand with this id."""
        statement = sa.select(tables.demands.c.canonical).where(tables.demands.c.id == id_)
        return Demand.from_canonical(self.connection.execute(statement).scalar_one())

    def demands(self) -> Mapping[int, str]:
        """The demands of everything that waits: id → canonical text."""
        return {row.demand: row.canonical for row in self.connection.execute(WAITING_DEMANDS)}

    def heads(self, demands: Collection[int]) -> Sequence[Head]:
        """The first work request of each queue of some demands."""
        return [head for batch in batches(demands) for head in self._heads(HEADS, {"demands": batch})]

    def behind(self, head: Head, limit: int) -> Sequence[Head]:
        """The first ones that stand behind the head of a queue, in their order."""
        place = {"demand": head.demand, "workspace": head.workspace, "priority": head.priority, "id": head.id}
        return self._heads(BEHIND, {**place, "limit": limit})

    def _heads(self, statement: Any, values: Mapping[str, Any]) -> list[Head]:
        # By position, not by name: there may be a thousand queues, and a row's names cost more than its values.
        return [Head(*row) for row in self.connection.execute(statement, values).all()]

    def _demand_id(self, digest: str) -> int | None:
        return self.connection.execute(_DEMAND_ID, {"digest": digest}).scalar_one_or_none()


_DEMAND_ID = sa.select(tables.demands.c.id).where(tables.demands.c.digest == sa.bindparam("digest"))

WAITING_DEMANDS = sa.text("""
    WITH RECURSIVE waiting (demand) AS (
        SELECT (
            SELECT demand FROM work_requests WHERE status = 'pending' AND worker IS NULL ORDER BY demand LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT demand FROM work_requests
            WHERE status = 'pending' AND worker IS NULL AND demand > waiting.demand
            ORDER BY demand LIMIT 1
        )
        FROM waiting WHERE waiting.demand IS NOT NULL
    )
    SELECT waiting.demand, demands.canonical FROM waiting JOIN demands ON demands.id = waiting.demand
""")

#: In the order of the fields of ``Head``.
_HEAD: dict[str, sa.types.TypeEngine[Any]] = {
    "id": Id,
    "priority": sa.Integer(),
    "created_at": Instant(),
    "workspace": Id,
    "demand": Id,
}

HEADS = (
    sa.text("""
    WITH RECURSIVE heads (id, priority, created_at, workspace, demand) AS (
        SELECT head.id, head.priority, head.created_at, head.workspace, head.demand
        FROM demands JOIN work_requests AS head ON head.id = (
            SELECT id FROM work_requests
            WHERE status = 'pending' AND worker IS NULL AND demand = demands.id
            ORDER BY workspace, priority DESC, id LIMIT 1
        )
        WHERE demands.id IN :demands
        UNION ALL
        SELECT head.id, head.priority, head.created_at, head.workspace, head.demand
        FROM heads JOIN work_requests AS head ON head.id = (
            SELECT id FROM work_requests
            WHERE status = 'pending' AND worker IS NULL AND demand = heads.demand AND workspace > heads.workspace
            ORDER BY workspace, priority DESC, id LIMIT 1
        )
    )
    SELECT id, priority, created_at, workspace, demand FROM heads
""")
    .bindparams(sa.bindparam("demands", expanding=True))
    .columns(**_HEAD)
)

BEHIND = sa.text("""
    SELECT id, priority, created_at, workspace, demand FROM work_requests
    WHERE status = 'pending' AND worker IS NULL AND demand = :demand AND workspace = :workspace
    AND priority <= :priority AND (priority < :priority OR id > :id)
    ORDER BY priority DESC, id LIMIT :limit
""").columns(**_HEAD)
