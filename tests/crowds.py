"""A farm that is old and busy: any number of rows of every kind that grows, made by the database itself in seconds."""

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand
from debusine.services import workspaces

#: Over which the work that waits is spread.
DEMANDS, WORKSPACES = 20, 50


@frozen(kw_only=True)
class Crowd:
    """Where the new rows belong."""

    demands: list[int]
    workspaces: list[int]
    user: int
    worker: int
    store: int
    channel: int


def add_crowd(uow: UnitOfWork, crowd: Crowd, rows: int, *, waiting: float = 0.5) -> None:
    """Add so many work requests, of which a part waits and most others are done, and all that comes of them.

    As many artifacts, each with a file in a store and a relation, attempts, notifications and deliveries.
    """
    if uow.connection.dialect.name != "sqlite":  # what refers to what is right, and would be looked up for each row
        uow.connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    numbers = _Numbers(uow.connection, rows, crowd)
    numbers.add(tables.work_requests, _WORK_REQUESTS | _done(round(waiting * 100)))
    numbers.add(tables.artifacts, _ARTIFACTS)
    numbers.add(tables.files, _FILES)
    numbers.add(tables.files_in_stores, _FILES_IN_STORES)
    numbers.add(tables.files_in_artifacts, _FILES_IN_ARTIFACTS)
    numbers.add(tables.artifact_relations, _RELATIONS)
    numbers.add(tables.attempts, _ATTEMPTS)
    numbers.add(tables.outbox, _OUTBOX)
    numbers.add(tables.deliveries, _DELIVERIES)


def new_crowd(uow: UnitOfWork, *, user: int, worker: int, store: int, channel: int) -> Crowd:
    """Make the queues."""
    demands = [Demand(task_name="echo", version=1, architecture=f"arch{number}") for number in range(DEMANDS)]
    return Crowd(
        demands=[uow.queues.demand_id(demand) for demand in demands],
        workspaces=[workspaces.create_with_name(uow, f"room{number}").id for number in range(WORKSPACES)],
        user=user,
        worker=worker,
        store=store,
        channel=channel,
    )


#: Column → SQL; {first_TABLE} is the id before the first new row, n counts from 1, {moment} is later for a larger n.
_Columns = dict[str, str]

# The n-th artifact was made by the n-th work request, and so on: all ids count alike.
_WORK_REQUESTS: _Columns = {
    "workspace": "{first_workspace} + n % {workspaces}",
    "created_by": "{user}",
    "created_at": "{moment}",
    "task_type": "'Worker'",
    "task_name": "'echo'",
    "task_data": "'{{}}'",
    "inputs": "'[]'",
    "demand": "{first_demand} + n / {workspaces} % {demands}",
    "worker": "NULL",
    "priority_base": "0",
    "priority_adjustment": "0",
    "priority": "0",
    "event_reactions": "'{{}}'",
    "workflow_data": "'{{}}'",
    "timeout": "3600",
}
_ARTIFACTS: _Columns = {
    "category": "'debusine:test'",
    "workspace": "{first_workspace} + n % {workspaces}",
    "data": "'{{}}'",
    "created_at": "{moment}",
    "created_by_work_request": "{first_work_requests} + n",
    "created_by_attempt": "1",
    "attached": "{true}",
}
_FILES: _Columns = {"sha256": "{content}", "size": "n", "state": "'live'"}
_FILES_IN_STORES: _Columns = {
    "store": "{store}",
    "file": "{first_files} + n",
    "data": "'{{}}'",
    "verified_at": "{moment}",
}
_FILES_IN_ARTIFACTS: _Columns = {
    "artifact": "{first_artifacts} + n",
    "file": "{first_files} + n",
    "path": "'file'",
    "complete": "{true}",
}
_RELATIONS: _Columns = {
    "artifact": "{first_artifacts} + n",
    "target": "{first_artifacts} + 1 + n / 2",
    "type": "'relates-to'",
}
_ATTEMPTS: _Columns = {
    "work_request": "{first_work_requests} + n",
    "number": "1",
    "worker": "{worker}",
    "started_at": "{moment}",
    "ended_at": "{moment}",
    "outcome": "'lost'",
    "inputs": "'[]'",
    "released_at": "{moment}",
}
_OUTBOX: _Columns = {
    "stem": "'stem'",
    "work_request": "{first_work_requests} + n",
    "event": "'on_creation'",
    "result": "''",
    "channel": "{channel}",
    "channel_name": "'mail'",
    "method": "'memory'",
    "created_at": "{moment}",
    "state": "'delivered'",
    "due_at": "{moment}",
    "tries": "1",
    "settled": "'{{}}'",
    "ended_at": "{moment}",
}
_DELIVERIES: _Columns = {
    "entry": "{first_outbox} + n",
    "number": "1",
    "server": "'somewhere'",
    "started_at": "{moment}",
    "ended_at": "{moment}",
    "outcome": "'delivered'",
}


def _done(waiting: int) -> _Columns:
    """Of each hundred so many wait, two are set aside, and the others are done."""
    status = f"CASE WHEN n % 100 < {waiting} THEN 'pending' WHEN n % 100 >= 98 THEN 'blocked' ELSE 'completed' END"
    done = f"n % 100 >= {waiting} AND n % 100 < 98"
    return {
        "status": status,
        "result": f"CASE WHEN {done} THEN 'success' ELSE '' END",
        "completed_at": f"CASE WHEN {done} THEN {{moment}} END",
        "attempt": f"CASE WHEN {done} THEN 1 ELSE 0 END",
    }


class _Numbers:
    """The rows 1 … n of several tables."""

    def __init__(self, connection: sa.Connection, rows: int, crowd: Crowd) -> None:
        self.connection = connection
        self.rows = rows
        self.sqlite = connection.dialect.name == "sqlite"
        self.facts = {
            "first_workspace": min(crowd.workspaces),
            "workspaces": len(crowd.workspaces),
            "first_demand": min(crowd.demands),
            "demands": len(crowd.demands),
            "user": crowd.user,
            "worker": crowd.worker,
            "store": crowd.store,
            "channel": crowd.channel,
            "true": "1" if self.sqlite else "true",
            "content": "randomblob(32)" if self.sqlite else "sha256(CAST(CAST(n AS text) AS bytea))",
            # A second of a year ago for each row: never in the future, and in SQLAlchemy's form.
            "moment": "strftime('%Y-%m-%d %H:%M:%f', '2024-01-01', n || ' seconds') || '000'"
            if self.sqlite
            else "CAST('2024-01-01 00:00:00+00' AS timestamptz) + n * interval '1 second'",
        }

    def add(self, table: sa.Table, columns: _Columns) -> None:
        first = self.connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
        self.facts[f"first_{table.name}"] = first
        # What is written here says what type it has; PostgreSQL must be told of JSON.
        values = [self._value(table, name, text.format_map(self.facts)) for name, text in columns.items()]
        series = "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :rows)"
        if not self.sqlite:
            series = "WITH series AS (SELECT n FROM generate_series(1, :rows) AS n)"
        names = ", ".join(["id", *columns])
        select = f"{series} SELECT {first} + n, {', '.join(values)} FROM series"
        self.connection.execute(sa.text(f"INSERT INTO {table.name} ({names}) {select}"), {"rows": self.rows})
        if not self.sqlite:
            sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
            self.connection.execute(sa.text(f"SELECT setval({sequence}, {first + self.rows})"))

    def _value(self, table: sa.Table, name: str, text: str) -> str:
        if self.sqlite or not text.startswith(("'{", "'[")):
            return text
        return f"CAST({text} AS jsonb)"
