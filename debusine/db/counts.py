"""Numbers of what waits, runs and works, each from one statement over an index of its own kind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.attempts import UNRELEASED
from debusine.db.work_requests import IN_HAND
from debusine.domain.demands import Demand
from debusine.domain.work_requests import Status

_requests = tables.work_requests
_workers = tables.workers
_demands = tables.demands


@frozen
class Quantity:
    """How many work requests of one demand are in a state."""

    demand: Demand
    status: Status
    count: int


@frozen
class WorkerFacts:
    """What is counted of a worker."""

    connected_at: datetime | None
    static_metadata: Mapping[str, Any]
    dynamic_metadata: Mapping[str, Any]
    #: Whether it has, or may have, something in hand.
    busy: bool

    @property
    def connected(self) -> bool:
        """Whether some server holds its socket."""
        return self.connected_at is not None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """All that is known of it."""
        return {**self.dynamic_metadata, **self.static_metadata}


@frozen
class Queue:
    """How much waits for a worker, of one demand."""

    demand: Demand
    count: int
    #: When the first of it was made.
    since: datetime


class CountRepository:
    """Counts."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def unfinished(self) -> Sequence[Quantity]:
        """How much waits and runs, by demand; blocked work is not counted."""
        return [
            Quantity(Demand.from_canonical(row.canonical), Status(row.status), row.count_)
            for statement in (_WAITING, _ALL_IN_HAND)
            for row in self.connection.execute(statement)
        ]

    def statuses(self, *, waiting: int) -> Mapping[Status, int]:
        """How many work requests there are in each state; ``waiting``: what ``queues`` has counted already."""
        found = dict.fromkeys(Status, 0) | {Status.PENDING: waiting}
        for statement in _STATUSES:
            for row in self.connection.execute(statement):
                found[Status(row.status)] += row.count_
        return found

    def queues(self) -> Sequence[Queue]:
        """What waits for a worker, by demand."""
        return [
            Queue(Demand.from_canonical(row.canonical), row.count_, row.created_at)
            for row in self.connection.execute(_QUEUES)
        ]

    def uploads(self) -> int:
        """How many files are being sent."""
        return self.connection.execute(sa.select(_COUNT).select_from(tables.file_uploads)).scalar_one()

    def workers(self) -> Sequence[WorkerFacts]:
        """Every worker, as far as it is counted."""
        return [WorkerFacts(*row) for row in self.connection.execute(_EVERY_WORKER)]


def _with_demand(counted: sa.Subquery) -> sa.Select[Any]:
    columns = (_demands.c.canonical, counted.c.status, counted.c.count_)
    return sa.select(*columns).join(_demands, _demands.c.id == counted.c.demand)


_COUNT = sa.func.count().label("count_")
# The texts are those of the partial indexes, which the databases use for no other wording.
_WAITING = _with_demand(
    # Not by status, which is no part of the index: so the rows themselves are not looked at.
    sa.select(_requests.c.demand, sa.literal_column(f"'{Status.PENDING}'").label("status"), _COUNT)
    .where(sa.text("work_requests.status = 'pending' AND work_requests.worker IS NULL"))
    .group_by(_requests.c.demand)
    .subquery()
)
_ALL_IN_HAND = _with_demand(
    sa.select(_requests.c.demand, _requests.c.status, _COUNT)
    .where(IN_HAND)
    .group_by(_requests.c.demand, _requests.c.status)
    .subquery()
)
_QUEUED = (
    sa.select(_requests.c.demand, _COUNT, sa.func.min(_requests.c.id).label("oldest"))
    .where(sa.text("work_requests.status = 'pending' AND work_requests.worker IS NULL"))
    .group_by(_requests.c.demand)
    .subquery()
)
_QUEUES = (
    sa.select(_demands.c.canonical, _QUEUED.c.count_, _requests.c.created_at)
    .join(_demands, _demands.c.id == _QUEUED.c.demand)
    .join(_requests, _requests.c.id == _QUEUED.c.oldest)
)
# Each condition is that of a partial index; together they have every work request once that is in no queue.
_STATUSES: tuple[sa.Select[*tuple[Any, ...]], ...] = (
    sa.select(_requests.c.status, _COUNT).where(IN_HAND).group_by(_requests.c.status),
    sa.select(sa.literal_column(f"'{Status.COMPLETED}'").label("status"), _COUNT)
    .select_from(_requests)
    .where(sa.text("work_requests.status = 'completed'")),
    sa.select(_requests.c.status, _COUNT)
    .where(sa.text("work_requests.status IN ('blocked', 'aborted')"))
    .group_by(_requests.c.status),
)
_EVERY_WORKER = sa.select(
    _workers.c.connected_at,
    _workers.c.static_metadata,
    _workers.c.dynamic_metadata,
    sa.or_(
        sa.exists().where(IN_HAND, _requests.c.worker == _workers.c.id),
        sa.exists().where(UNRELEASED, tables.attempts.c.worker == _workers.c.id),
    ),
)
