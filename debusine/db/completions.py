"""Completions in the database: how they get their order, and how far the order is settled.

Transactions commit in another order than they took their moments in, and on PostgreSQL several servers do so with
several clocks. Whoever read on from the latest completion that is visible would miss one that is committed later with
an earlier moment. So a transaction that completes something first announces (for others to see until it ends) the
latest completion that it knew, and then takes a moment after the latest one on disk. Whatever is not later than the
first announced moment, and not later than what was on disk before one looked for announcements, is settled: nothing
will ever be committed among it.
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.engine import announce_completion, first_announced
from debusine.domain.completions import TICK, TOLD, Completion, Place

_requests = tables.work_requests
#: The text is that of the partial index, which the databases use for no other wording.
_COMPLETED = sa.text("work_requests.status = 'completed'")


@frozen
class Frontier:
    """How far the order of completions goes."""

    #: The latest completion on disk; None: there is none.
    latest: datetime | None
    #: Up to here nothing comes any more; None: nothing is settled.
    settled: datetime | None

    @property
    def held_back(self) -> bool:
        """Whether something on disk has to wait for a transaction that is under way."""
        return self.latest != self.settled


class CompletionRepository:
    """Gives completions their moments, and finds them in order."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def moment(self, at: datetime) -> datetime:
        """When that is completed which this transaction completes: at this moment, or as soon after as can be."""
        announce_completion(self.connection, _LATEST)
        latest = self.connection.execute(_MOMENT).scalar()
        return at if latest is None or at > latest else latest + TICK

    def frontier(self) -> Frontier:
        """How far the order goes now; to be asked before the completions themselves are read."""
        # One statement: what is on disk is seen before the announcements are looked for.
        latest, announced = self.connection.execute(_frontier(first_announced(self.connection))).one()
        return Frontier(latest, latest if latest is None or announced is None else min(latest, announced))

    def page(
        self, after: Place, until: datetime, *, workspaces: Collection[int] | None, limit: int
    ) -> tuple[list[Completion], Place | None]:
        """Completions behind a place, in order, of some workspaces (None: all) and results that are told.

        Looks at ``limit`` rows, wanted or not, so that it never takes long; where it stopped, None: at the end.
        """
        moment, id_ = after
        rows = self.connection.execute(_PAGE, {"moment": moment, "id": id_, "until": until, "limit": limit}).all()
        found = [
            Completion(work_request=row.id, workspace=row.workspace, completed_at=row.completed_at, result=row.result)
            for row in rows
            if _told(row, workspaces)
        ]
        return found, (rows[-1].completed_at, rows[-1].id) if len(rows) == limit else None

    def several_at(self, moment: datetime, *, workspaces: Collection[int] | None) -> bool:
        """Whether more than one of those that ``page`` finds was completed at exactly this moment."""
        rows = self.connection.execute(_AT, {"moment": moment})
        return sum(_told(row, workspaces) for row in rows) > 1


def _told(row: Any, workspaces: Collection[int] | None) -> bool:
    # Not by the statement, which would have as many parameters as there are workspaces.
    return row.result in TOLD and (workspaces is None or row.workspace in workspaces)


_LATEST = (
    sa.select(_requests.c.completed_at)
    .where(_COMPLETED)
    .order_by(_requests.c.completed_at.desc())
    .limit(1)
    .scalar_subquery()
)
# Made once: to make a statement costs more than to run it.
_MOMENT = sa.select(_LATEST)
_PAGE = (
    sa.select(_requests.c.id, _requests.c.workspace, _requests.c.completed_at, _requests.c.result)
    .where(
        _COMPLETED,
        _requests.c.completed_at >= sa.bindparam("moment"),
        (_requests.c.completed_at > sa.bindparam("moment")) | (_requests.c.id > sa.bindparam("id")),
        _requests.c.completed_at <= sa.bindparam("until"),
    )
    .order_by(_requests.c.completed_at, _requests.c.id)
    .limit(sa.bindparam("limit"))
)
_AT = sa.select(_requests.c.workspace, _requests.c.result).where(
    _COMPLETED, _requests.c.completed_at == sa.bindparam("moment")
)


@cache
def _frontier(announced: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(_LATEST, announced)
