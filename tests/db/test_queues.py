"""The queues in the database: only their heads are read, through one index, however many wait."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.database import Database
from debusine.db.queues import BEHIND, HEADS, WAITING_DEMANDS, Head
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand, TaskType
from debusine.domain.work_requests import Result, Status, WorkRequest
from tests.work import Workshop, open_workshop

PRIORITIES = (0, 7, 3, 7, -2)


async def test_the_heads_are_the_first_by_priority_and_age_of_each_queue(database: Database) -> None:
    workshop = await open_workshop(database)
    demands = await fill(workshop, demands=3, workspaces=2)

    heads = await database.read(lambda uow: uow.queues.heads(demands[:2]))

    found = {(head.demand, head.workspace): head.priority for head in heads}
    assert len(found) == len(heads) == 4
    assert set(found.values()) == {7}
    assert {demand for demand, _ in found} == set(demands[:2])
    first = min(head.id for head in heads)
    assert await database.read(lambda uow: uow.work_requests.get(first).priority) == 7


async def test_what_is_assigned_runs_or_has_ended_is_in_no_queue(database: Database) -> None:
    workshop = await open_workshop(database)
    worker = await workshop.worker()
    first, _ = await workshop.request(), await workshop.request()
    await workshop.start(worker)
    await workshop.complete(worker, first.id)
    await workshop.assign()

    assert await database.read(lambda uow: uow.queues.demands()) == {}
    assert await database.read(lambda uow: uow.queues.heads([first.demand])) == []
    assert await database.read(behind, head_of(first), 10) == []


async def test_what_stands_behind_a_head_is_read_in_order_and_some_at_a_time(database: Database) -> None:
    workshop = await open_workshop(database)
    demands = await fill(workshop, demands=2, workspaces=2, copies=2)
    heads = await database.read(lambda uow: uow.queues.heads(demands))

    for head in heads:
        some = await database.read(behind, head, 4)
        others = await database.read(behind, some[-1], 100)
        line = [head, *some, *others]

        assert [each.priority for each in line] == sorted(PRIORITIES * 2, reverse=True)
        assert line == sorted(line, key=lambda each: (-each.priority, each.id))
        assert {(each.demand, each.workspace) for each in line} == {(head.demand, head.workspace)}


async def test_equal_demands_are_kept_once(database: Database) -> None:
    one, two = Demand(task_name="echo", version=1), Demand(task_name="echo", version=2)

    ids = await database.write(lambda uow: [uow.queues.demand_id(demand) for demand in (one, two, one)])

    assert ids[0] == ids[2] != ids[1]
    assert await database.read(lambda uow: uow.queues.demand(ids[1])) == two


async def test_the_queues_are_read_through_their_index_alone(database: Database) -> None:
    workshop = await open_workshop(database)
    demands = await fill(workshop, demands=4, workspaces=3, copies=200)
    place = {"demand": demands[0], "workspace": workshop.workspace.id, "priority": 7, "id": 1}
    values = {"demands": demands, **place, "limit": 20}

    for statement in (WAITING_DEMANDS, HEADS, BEHIND):
        plan = await database.write(explain, statement, values)
        assert "ix_work_requests_queue" in plan, plan
        assert 'SCAN work_requests"' not in plan, plan
        assert "Seq Scan on work_requests" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan


def behind(uow: UnitOfWork, head: Head, limit: int) -> Sequence[Head]:
    return uow.queues.behind(head, limit)


def head_of(request: WorkRequest) -> Head:
    """How a work request would stand in its queue."""
    return Head(request.id, request.priority, request.created_at, request.workspace, request.demand)


async def fill(workshop: Workshop, *, demands: int, workspaces: int, copies: int = 1) -> list[int]:
    """Let work requests of several priorities wait in each queue; return the demands' ids."""
    return await workshop.database.write(_fill, workshop, demands, workspaces, copies)


def _fill(uow: UnitOfWork, workshop: Workshop, demands: int, workspaces: int, copies: int) -> list[int]:
    ids = [uow.queues.demand_id(Demand(task_name="echo", version=version)) for version in range(demands)]
    rooms = [workshop.workspace.id]
    rooms += [add_workspace(uow, workshop, f"room{number}") for number in range(workspaces - 1)]
    rows = [
        _row(uow, workshop, demand, room, priority)
        for _ in range(copies)
        for demand in ids
        for room in rooms
        for priority in PRIORITIES
    ]
    uow.connection.execute(sa.insert(tables.work_requests), rows)
    return ids


def add_workspace(uow: UnitOfWork, workshop: Workshop, name: str) -> int:
    room = uow.workspaces.insert(
        name=name,
        public=False,
        default_expiration_delay=None,
        default_file_store=workshop.workspace.default_file_store,
    )
    return room.id


def _row(uow: UnitOfWork, workshop: Workshop, demand: int, workspace: int, priority: int) -> dict[str, Any]:
    assert workshop.user.user is not None
    return {
        "workspace": workspace,
        "created_by": workshop.user.user.id,
        "created_at": uow.now,
        "task_type": TaskType.WORKER,
        "task_name": "echo",
        "task_data": {},
        "inputs": (),
        "demand": demand,
        "status": Status.PENDING,
        "result": Result.NONE,
        "attempt": 0,
        "priority_base": priority,
        "priority_adjustment": 0,
        "priority": priority,
        "event_reactions": {},
        "workflow_data": {},
        "timeout": 60,
    }


def explain(uow: UnitOfWork, statement: Any, values: dict[str, Any]) -> str:
    """How the database means to find what a statement asks for."""
    uow.connection.exec_driver_sql("ANALYZE")
    word = "EXPLAIN QUERY PLAN" if uow.connection.dialect.name == "sqlite" else "EXPLAIN"
    explaining = sa.text(f"{word} {getattr(statement, 'element', statement).text}")
    if "demands" in explaining.compile().params:
        explaining = explaining.bindparams(sa.bindparam("demands", expanding=True))
    wanted = {name: values[name] for name in explaining.compile().params}
    return json.dumps([row[-1] for row in uow.connection.execute(explaining, wanted)], indent=1)
