"""Work requests in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.engine import json_rows
from debusine.db.repository import Repository
from debusine.db.types import Id
from debusine.domain.work_requests import Status, WorkRequest

_requests = tables.work_requests
_dependencies = tables.work_request_dependencies

#: The texts are those of the partial indexes, which the databases use for no other wording.
IN_HAND = sa.text("work_requests.status IN ('pending', 'running') AND work_requests.worker IS NOT NULL")


@frozen
class InHand:
    """A work request that is assigned to a worker or runs on it, with what is known of the worker's socket."""

    id: int
    status: Status
    attempt: int
    timeout: int
    assigned_at: datetime
    started_at: datetime | None
    worker: int
    #: None: the worker is not connected.
    connected_at: datetime | None
    connection: int


@frozen
class Surroundings:
    """What is shown beside a work request."""

    #: The workspace's name.
    workspace: str
    #: The ids of those that are attached, ascending.
    artifacts: Sequence[int]
    #: The work request by which it was tried again.
    superseded_by: int | None


class WorkRequestRepository(Repository[WorkRequest]):
    """Finds and keeps work requests."""

    table = tables.work_requests
    noun = WorkRequest
    title = "work request"
    guards = ("status", "attempt", "worker")

    def pending(self, *, exclude_assigned: bool = False, worker: int | None = None) -> Sequence[WorkRequest]:
        """Those that wait, oldest first; of one worker, or without those that a worker is reserved for."""
        statement = self._with_status(Status.PENDING, worker)
        return self._all(statement.where(_requests.c.worker.is_(None)) if exclude_assigned else statement)

    def running(self, worker: int | None = None) -> Sequence[WorkRequest]:
        """Those that run, oldest first."""
        return self._all(self._with_status(Status.RUNNING, worker))

    def completed(self) -> Sequence[WorkRequest]:
        """Those that ended with a result, oldest first."""
        return self._all(self._with_status(Status.COMPLETED))

    def aborted(self) -> Sequence[WorkRequest]:
        """Those that somebody wanted no more, oldest first."""
        return self._all(self._with_status(Status.ABORTED))

    def running_or_pending_exists(self, worker: int) -> bool:
        """Whether a worker has something in hand."""
        return self.connection.execute(_ANY_IN_HAND_OF, {"worker": worker}).first() is not None

    def in_hand_of(self, worker: int) -> Sequence[WorkRequest]:
        """What is assigned to a worker or runs on it, locked, most urgent first."""
        return self._all(_IN_HAND_OF, {"worker": worker})

    def assigned_to(self, worker: int) -> tuple[WorkRequest, str] | None:
        """What a worker is to fetch next, locked, and the name of its workspace."""
        row = self.connection.execute(_ASSIGNED_TO, {"worker": worker}).first()
        if row is None:
            return None
        values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to the names
        name = values.pop("workspace_name")
        return WorkRequest(**values), name

    def in_hand(self) -> Sequence[InHand]:
        """Everything that any worker has in hand."""
        return [InHand(**row._mapping) for row in self.connection.execute(_ALL_IN_HAND)]  # noqa: SLF001 - documented

    def unfetched(self, workers: Collection[int]) -> frozenset[int]:
        """Which of these workers have an assignment that they have not fetched."""
        assigned = sa.select(_requests.c.worker).where(IN_HAND, _requests.c.status == Status.PENDING)
        return self._found_among(workers, assigned, _requests.c.worker)

    def waiting(self, ids: Collection[int]) -> Mapping[int, WorkRequest]:
        """Those of some work requests, locked, that wait without a worker and do not just change; by id."""
        found = (self._all(_WAITING, {"ids": batch}) for batch in batches(ids))
        return {each.id: each for several in found for each in several}

    def older(self, *, than: int | None = None, limit: int) -> Sequence[WorkRequest]:
        """The next ones in a list, newest first; of all when no id is given."""
        if than is None:
            return self._all(_NEWEST, {"limit": limit})
        return self._all(_OLDER, {"than": than, "limit": limit})

    def newer(self, *, than: int, limit: int) -> Sequence[WorkRequest]:
        """Those before an id in a list, nearest ones, newest first."""
        return self._all(_NEWER, {"than": than, "limit": limit})[::-1]

    def running_by_workspace(self) -> dict[int, int]:
        """How much is in workers' hands, by workspace."""
        return dict(self.connection.execute(_RUNNING_BY_WORKSPACE).all())

    def add_dependency(self, work_request: int, depends_on: int) -> None:
        """Have a (blocked) work request wait for another one."""
        values = {"work_request": work_request, "depends_on": depends_on}
        self.connection.execute(sa.insert(_dependencies), values)

    def dependencies_of(self, work_request: int, *, lock: bool = False) -> Sequence[WorkRequest]:
        """What a work request waits for, or waited for; ``lock``: none of them ends until the commit."""
        return self._all(_DEPENDENCIES_OF_LOCKED if lock else _DEPENDENCIES_OF, {"work_request": work_request})

    def surroundings(self, ids: Collection[int]) -> Mapping[int, Surroundings]:
        """What is shown beside some work requests, in one statement for a page of them."""
        return {
            row.id: Surroundings(row.workspace, sorted(id_ for (id_,) in row.artifacts), row.superseded_by)
            for batch in batches(ids)
            for row in self.connection.execute(_SURROUNDINGS, {"ids": batch})
        }

    def superseding(self, ids: Collection[int]) -> Mapping[int, int]:
        """Of some work requests those that were tried again → by which one."""
        found = (self.connection.execute(_SUPERSEDING, {"ids": batch}) for batch in batches(ids))
        return {old: new for rows in found for old, new in rows}

    def put_in_place(self, new: int, *, of: int) -> None:
        """Have a work request wait for what another one waited for, and the others wait for it."""
        # Locked, so that none of them is itself replaced meanwhile, taking the old dependency along.
        self.connection.execute(_LOCK_DEPENDENTS, {"depends_on": of})
        self.connection.execute(_COPY_DEPENDENCIES, {"new": new, "old": of})
        self.connection.execute(_MOVE_DEPENDENTS, {"new": new, "old": of})

    def unblockable(self, completed: int) -> Sequence[WorkRequest]:
        """The blocked work requests, locked, that waited for this one and for nothing else that is unfinished."""
        # Locked first, asked afterwards: of two dependencies that complete at once, the second sees the first.
        dependents = self._all(_DEPENDENTS_LOCKED, {"completed": completed})
        # Not by a condition: PostgreSQL might look through all that is blocked, rather than at the few that waited.
        blocked = [dependent for dependent in dependents if dependent.status is Status.BLOCKED]
        held_back = self._held_back([dependent.id for dependent in blocked])
        return [dependent for dependent in blocked if dependent.id not in held_back]

    def _held_back(self, ids: Collection[int]) -> frozenset[int]:
        dependents = sa.select(_dependencies.c.work_request)
        unfinished = dependents.join(_requests, _requests.c.id == _dependencies.c.depends_on).where(
            _requests.c.status != Status.COMPLETED
        )
        return self._found_among(ids, unfinished, _dependencies.c.work_request)

    def _found_among(self, ids: Collection[int], statement: sa.Select[Any], column: sa.Column[Any]) -> frozenset[int]:
        found = (self.connection.execute(statement.where(column.in_(batch))) for batch in batches(ids))
        return frozenset(id_ for rows in found for id_ in rows.scalars())

    def _with_status(self, status: Status, worker: int | None = None) -> sa.Select[Any]:
        statement = self._select().where(_requests.c.status == status).order_by(_requests.c.created_at, _requests.c.id)
        # The index of what is in hand serves those of one worker.
        return statement if worker is None else statement.where(IN_HAND, _requests.c.worker == worker)

    def _values(self, values: dict[str, Any], of: WorkRequest) -> dict[str, Any]:
        changed = {"priority_base", "priority_adjustment"} & values.keys()
        return {**values, "priority": of.priority} if changed else values


# Made once: to make a statement costs more than to run it.
_SELECT = sa.select(*WorkRequestRepository.columns)
_NEWEST = _SELECT.order_by(_requests.c.id.desc()).limit(sa.bindparam("limit"))
_OLDER = _NEWEST.where(_requests.c.id < sa.bindparam("than"))
_NEWER = _SELECT.where(_requests.c.id > sa.bindparam("than")).order_by(_requests.c.id).limit(sa.bindparam("limit"))
_URGENT_FIRST = _requests.c.priority.desc(), _requests.c.id
_IN_HAND_OF = (
    _SELECT.where(IN_HAND, _requests.c.worker == sa.bindparam("worker")).order_by(*_URGENT_FIRST).with_for_update()
)
_ASSIGNED_TO = (
    sa.select(*WorkRequestRepository.columns, tables.workspaces.c.name.label("workspace_name"))
    .join(tables.workspaces, tables.workspaces.c.id == _requests.c.workspace)
    .where(IN_HAND, _requests.c.worker == sa.bindparam("worker"), _requests.c.status == Status.PENDING)
    .order_by(*_URGENT_FIRST)
    .with_for_update(of=_requests)
)
_ANY_IN_HAND_OF = sa.select(_requests.c.id).where(IN_HAND, _requests.c.worker == sa.bindparam("worker")).limit(1)
_WAITING = _SELECT.where(
    _requests.c.id.in_(sa.bindparam("ids", expanding=True)),
    _requests.c.status == Status.PENDING,
    _requests.c.worker.is_(None),
).with_for_update(skip_locked=True)
_DEPENDENTS_LOCKED = (
    _SELECT.where(
        _requests.c.id.in_(
            sa.select(_dependencies.c.work_request).where(_dependencies.c.depends_on == sa.bindparam("completed"))
        )
    )
    .order_by(_requests.c.id)
    .with_for_update()
)
_DEPENDENCIES_OF = _SELECT.where(
    _requests.c.id.in_(
        sa.select(_dependencies.c.depends_on).where(_dependencies.c.work_request == sa.bindparam("work_request"))
    )
).order_by(_requests.c.id)
_DEPENDENCIES_OF_LOCKED = _DEPENDENCIES_OF.with_for_update()
_LOCK_DEPENDENTS = (
    sa.select(_requests.c.id)
    .where(
        _requests.c.id.in_(
            sa.select(_dependencies.c.work_request).where(_dependencies.c.depends_on == sa.bindparam("depends_on"))
        )
    )
    .order_by(_requests.c.id)
    .with_for_update()
)
_COPY_DEPENDENCIES = sa.insert(_dependencies).from_select(
    ["work_request", "depends_on"],
    sa.select(sa.bindparam("new", type_=Id), _dependencies.c.depends_on).where(
        _dependencies.c.work_request == sa.bindparam("old")
    ),
)
_MOVE_DEPENDENTS = (
    sa.update(_dependencies)
    .where(_dependencies.c.depends_on == sa.bindparam("old"))
    .values(depends_on=sa.bindparam("new"))
)
_SUPERSEDING = sa.select(_requests.c.supersedes, _requests.c.id).where(
    _requests.c.supersedes.in_(sa.bindparam("ids", expanding=True))
)
_next, _artifacts = _requests.alias("next"), tables.artifacts
_SURROUNDINGS = (
    sa.select(
        _requests.c.id,
        tables.workspaces.c.name.label("workspace"),
        sa.select(_next.c.id).where(_next.c.supersedes == _requests.c.id).scalar_subquery().label("superseded_by"),
        sa.select(json_rows(_artifacts.c.id))
        .where(_artifacts.c.created_by_work_request == _requests.c.id, _artifacts.c.attached)
        .scalar_subquery()
        .label("artifacts"),
    )
    .join(tables.workspaces, tables.workspaces.c.id == _requests.c.workspace)
    .where(_requests.c.id.in_(sa.bindparam("ids", expanding=True)))
)
_RUNNING_BY_WORKSPACE = sa.select(_requests.c.workspace, sa.func.count()).where(IN_HAND).group_by(_requests.c.workspace)
_ALL_IN_HAND = (
    sa.select(
        *(_requests.c[name] for name in ("id", "status", "attempt", "timeout", "assigned_at", "started_at", "worker")),
        tables.workers.c.connected_at,
        tables.workers.c.connection,
    )
    .join(tables.workers, tables.workers.c.id == _requests.c.worker)
    .where(IN_HAND)  # in no order: to have them by id, SQLite would read all work requests from the first one on
)
