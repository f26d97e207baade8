"""Very many rows, put into a database beside an idle server, or before it starts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand, TaskType
from debusine.domain.work_requests import Result, Status

#: The queues over which what waits is spread; the worker that is measured can run a fifth of the demands.
DEMANDS, WORKSPACES = 20, 50
RUNNABLE = 4


def add_queues(uow: UnitOfWork, user: int) -> list[dict[str, Any]]:
    """The values in which the work requests of each queue are alike."""
    demands = [uow.queues.demand_id(demand(number)) for number in range(DEMANDS)]
    workspaces = list(add_workspaces(uow))
    return [row(uow.now, demand_id, workspace, user) for workspace in workspaces for demand_id in demands]


def add_workspaces(uow: UnitOfWork) -> Iterator[int]:
    """Make the workspaces."""
    default = uow.workspaces.default()
    assert default is not None
    for number in range(WORKSPACES):
        values = {"public": False, "default_expiration_delay": None, "default_file_store": default.default_file_store}
        yield uow.workspaces.insert(name=f"room{number}", **values).id


def demand(number: int) -> Demand:
    """One of the demands."""
    return Demand(task_name="echo", version=1, architecture=f"arch{number}")


def row(at: datetime, demand_id: int, workspace: int, user: int) -> dict[str, Any]:
    """A work request that waits."""
    return {
        "workspace": workspace,
        "created_by": user,
        "created_at": at,
        "task_type": TaskType.WORKER,
        "task_name": "echo",
        "task_data": {},
        "inputs": (),
        "demand": demand_id,
        "status": Status.PENDING,
        "result": Result.NONE,
        "attempt": 0,
        "priority_base": 0,
        "priority_adjustment": 0,
        "priority": 0,
        "event_reactions": {},
        "workflow_data": {},
        "timeout": 60,
    }


def let_wait(uow: UnitOfWork, queues: Sequence[dict[str, Any]], waiting: int) -> None:
    """Let so many work requests wait, evenly over the queues; a multiple of their number, or fewer than they are."""
    table = tables.work_requests
    before = uow.connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
    uow.connection.execute(sa.insert(table), list(queues[:waiting]))
    multiply(uow, table, table.c.id > before, waiting // len(queues) - 1, {})


def multiply(
    uow: UnitOfWork,
    table: sa.Table,
    examples: sa.ColumnElement[bool],
    times: int,
    changed: Mapping[str, sa.ColumnElement[Any]],
) -> None:
    """Copy rows inside the database, so many times, one copy of all after the other."""
    if times < 1:
        return
    trust(uow)
    numbers = counting(times)
    columns = [column for column in table.c if column.name != "id"]
    values = [changed.get(column.name, column) for column in columns]
    copies = sa.select(*values).select_from(numbers.join(table, sa.true())).where(examples)
    uow.connection.execute(table.insert().from_select([column.name for column in columns], copies))


def counting(times: int) -> sa.CTE:
    """The numbers below a number."""
    numbers = sa.select(sa.literal(0).label("n")).cte("numbers", recursive=True)
    return numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < times - 1))


def repeat_artifact(uow: UnitOfWork, artifact: int, times: int) -> None:
    """Copy an artifact with its files."""
    multiply(uow, tables.artifacts, tables.artifacts.c.id == artifact, times, {})
    files = tables.files_in_artifacts
    columns = [column for column in files.c if column.name not in {"id", "artifact"}]
    copies = (
        sa.select(tables.artifacts.c.id, *columns)
        .select_from(tables.artifacts.join(files, sa.true()))
        .where(tables.artifacts.c.id > artifact, files.c.artifact == artifact)
    )
    names = ["artifact", *(column.name for column in columns)]
    uow.connection.execute(files.insert().from_select(names, copies))


def repeat_work_request(uow: UnitOfWork, work_request: int, times: int) -> None:
    """Copy a work request that was done, with its attempt."""
    done, attempts = tables.work_requests, tables.attempts
    first = uow.connection.scalar(sa.select(sa.func.max(done.c.id)))
    multiply(uow, done, done.c.id == work_request, times, {})
    columns = [column for column in attempts.c if column.name not in {"id", "work_request"}]
    copies = (
        sa.select(done.c.id, *columns)
        .select_from(done.join(attempts, sa.true()))
        .where(done.c.id > first, attempts.c.work_request == work_request)
    )
    names = ["work_request", *(column.name for column in columns)]
    uow.connection.execute(attempts.insert().from_select(names, copies))


def trust(uow: UnitOfWork) -> None:
    """Have PostgreSQL look up no references until the transaction ends: what is copied has good ones."""
    if uow.connection.dialect.name == "postgresql":
        uow.connection.execute(sa.text("SET LOCAL session_replication_role = replica"))


def settle(uow: UnitOfWork) -> None:
    """Do what PostgreSQL would have done by now by itself: count, and put in its place what was written."""
    if uow.connection.dialect.name == "postgresql":
        uow.connection.execute(sa.text("ANALYZE"))
        uow.connection.execute(sa.text("CHECKPOINT"))
