"""The figures that an operator watches, also of a farm in which very much of very many kinds waits."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand
from debusine.services.figures import figures
from tests.work import Workshop, open_workshop

#: More than a statement of SQLite may have parameters.
MANY = 33_000


async def test_the_oldest_of_more_demands_than_a_statement_may_name_is_found(database: Database) -> None:
    workshop = await open_workshop(database)
    first = await workshop.request()
    moment = database.clock()
    database.clock = lambda: moment + timedelta(seconds=5)
    await database.write(_multiply, first.id)
    found = await database.read(figures)

    assert found.queues == {"echo": MANY + 1}
    assert found.oldest == (moment + timedelta(seconds=5) - first.created_at).total_seconds()


async def test_where_nothing_waits_there_is_no_oldest(workshop: Workshop) -> None:
    found = await workshop.database.read(figures)

    assert (dict(found.queues), found.oldest) == ({}, 0.0)


def _multiply(uow: UnitOfWork, work_request: int) -> None:
    """Have as much like this one wait, each of a demand of its own, and made now."""
    demands = [Demand(task_name="echo", version=1000 + number).canonical for number in range(MANY)]
    rows = [{"digest": f"{number:064}", "canonical": canonical} for number, canonical in enumerate(demands)]
    uow.connection.execute(sa.insert(tables.demands), rows)
    columns = [column for column in tables.work_requests.c if column.name not in ("id", "demand", "created_at")]
    like: sa.Select[Any] = (
        sa.select(*columns, tables.demands.c.id, sa.literal(uow.now, tables.work_requests.c.created_at.type))
        .select_from(tables.work_requests)
        .join(tables.demands, tables.demands.c.id != tables.work_requests.c.demand)
        .where(tables.work_requests.c.id == work_request)
    )
    names = [*(column.name for column in columns), "demand", "created_at"]
    uow.connection.execute(sa.insert(tables.work_requests).from_select(names, like))
