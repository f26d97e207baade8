"""Lists that grow with the farm, or with what a client sends, may be longer than a statement may have parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.completions import before_all_at
from debusine.domain.times import EPOCH
from debusine.domain.workers import Worker
from tests.farm import make_worker
from tests.work import open_workshop

#: More than a statement of SQLite may have parameters; PostgreSQL takes twice as many.
LONG = range(1, 33_000)

FINDERS: dict[str, Callable[[UnitOfWork], Any]] = {
    "queues": lambda uow: uow.queues.heads(LONG),
    "held back": lambda uow: uow.work_requests._held_back(LONG),
    "unfetched": lambda uow: uow.work_requests.unfetched(LONG),
    "superseding": lambda uow: uow.work_requests.superseding(LONG),
    "over": lambda uow: uow.attempts.over_and_unreleased_of(LONG),
    "admitted": lambda uow: uow.workers.admitted(LONG, at=uow.now),
    "names of workers": lambda uow: uow.workers.names(LONG),
    "names of workspaces": lambda uow: uow.workspaces.names(LONG),
    "tokens": lambda uow: uow.tokens.valid_among(LONG, at=uow.now),
    "channels": lambda uow: uow.channels.with_names([f"c{number}" for number in LONG]),
    "surroundings": lambda uow: uow.work_requests.surroundings(LONG),
    "artifacts": lambda uow: uow.artifacts.with_ids(LONG),
    "incomplete": lambda uow: uow.files_in_artifacts.incomplete(LONG),
    "sizes": lambda uow: sum(map(len, uow.files_in_artifacts.sizes(LONG).values())),
    "copies": lambda uow: uow.stored_files.copies(LONG),
    "completions": lambda uow: uow.completions.page(before_all_at(EPOCH), uow.now, workspaces=set(LONG), limit=10),
    "completions of a moment": lambda uow: uow.completions.several_at(uow.now, workspaces=set(LONG)),
}

CHANGERS: dict[str, Callable[[UnitOfWork], Any]] = {
    "release": lambda uow: uow.attempts.release(LONG, uow.now),
    "lose": lambda uow: uow.deliveries.lose(LONG, at=uow.now),
    "forget servers": lambda uow: uow.servers.forget(LONG),
    "forget connections": lambda uow: uow.workers.forget_connections(LONG),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_list_may_be_longer_than_a_statement(database: Database) -> None:
    found = {name: await database.read(function) for name, function in FINDERS.items()}
    changed = {name: await database.write(function) for name, function in CHANGERS.items()}

    assert {name: answer for name, answer in found.items() if answer and answer != ([], None)} == {}
    assert set(changed.values()) == {None}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_more_workers_wait_than_a_statement_may_name(database: Database) -> None:
    assert await database.write(_keep_waiting) == []


async def test_what_is_far_behind_in_a_long_list_is_found(database: Database) -> None:
    workshop = await open_workshop(database)
    await workshop.worker()
    waiting = await workshop.request()
    far = [*range(2_000_000, 2_001_000), waiting.demand]

    heads = await database.read(lambda uow: uow.queues.heads(far))

    assert [head.id for head in heads] == [waiting.id]


def _keep_waiting(uow: UnitOfWork) -> Sequence[Worker]:
    worker = make_worker(uow, "builder")[0]
    return uow.workers.keep_waiting([evolve(worker, id=number) for number in range(1, 66_000)], at=uow.now)
