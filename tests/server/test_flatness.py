"""What a visit costs does not grow with what is behind it: databases do the same work on an old farm as on a new one.

Work is counted, not timed: on SQLite the steps of its machine, on PostgreSQL the rows that plans touch.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa

from debusine.db.engine import sqlite_connection, sqlite_url, writers_meet
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from tests.crowds import DEMANDS, WORKSPACES, add_crowd, new_crowd
from tests.farm import Population
from tests.server.recording import Probe, recording
from tests.server.tour import make_tour, open_tour_farm

NewDatabase: TypeAlias = Callable[[], str]

#: A row in each queue, and many.
NEW, OLD = DEMANDS * WORKSPACES, 20 * DEMANDS * WORKSPACES
#: So much more is no growth; and so many rows or tens of steps are nothing.
GROWTH, NOTHING = 1.5, 20
#: These count what there is, and do not do so for each question; see ``debusine.server.counting``.
COUNTING = {"GET /metrics", "GET /api/1.0/service-status/"}
#: Forgets at most so many old notifications at a time, of which there are none on a new farm.
COLLECTING = {"~now and then", "~sender"}


@pytest.fixture(params=["sqlite", "postgresql", "postgresql, analysed"])
def analysed(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """Where, and whether statistics are made of the rows."""
    return request.param.partition(",")[0], "analysed" in request.param


@pytest.fixture
def new_database(analysed: tuple[str, bool], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Makes databases with empty tables."""
    numbers = count()
    if analysed[0] == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield lambda: sqlite_url(shutil.copyfile(template, tmp_path / f"{next(numbers)}.sqlite"))
        return
    server, made = request.getfixturevalue("postgresql_server"), list[str]()

    def make() -> str:
        made.append(server.create_database(template=request.getfixturevalue("postgresql_template")))
        return made[-1]

    yield make
    for url in made:
        server.drop_database(url)


async def test_no_visit_costs_more_when_much_is_behind_it(
    new_database: NewDatabase, analysed: tuple[str, bool], tmp_path: Path
) -> None:
    few = await costs(new_database(), tmp_path / "few", NEW, analyse=analysed[1])
    many = await costs(new_database(), tmp_path / "many", OLD, analyse=analysed[1])

    # What the clock begins may come on a slow tour and not on a quick one; each tour does all of it by itself, too.
    assert {label for label in few.keys() ^ many.keys() if not label.startswith("~")} == set()
    both = few.keys() & many.keys()
    grown = {label: (few[label], many[label]) for label in both if many[label] > GROWTH * few[label] + NOTHING}
    assert {label: figures for label, figures in grown.items() if label not in COUNTING | COLLECTING} == {}
    assert analysed[0] == "sqlite" or grown.keys() >= COUNTING  # so it would be seen


async def costs(url: str, directory: Path, rows: int, *, analyse: bool) -> dict[str, int]:
    """Visit → rows or tens of steps of the last one; of the background, of what costs most."""
    database = open_database(url)
    directory.mkdir()
    try:
        async with open_tour_farm(database, directory) as farm:
            await database.write(fill, farm.people, rows, analyse=analyse)
            probe: Probe | None = None if url.startswith("sqlite") else rows_touched
            with recording(farm, probe=probe, meter=steps) as recorded:
                await make_tour(recorded, 1)
    finally:
        await database.aclose()
    found = dict[str, int]()
    for each in recorded.transactions:
        if each.asked.startswith("~") or each.visit == recorded.visits[each.asked]:
            spent = sum(each.measured) + sum(statement.seen or 0 for statement in each.statements)
            before = found.get(each.asked, 0)
            found[each.asked] = max(before, spent) if each.asked.startswith("~") else before + spent
    return found


def fill(uow: UnitOfWork, people: Population, rows: int, *, analyse: bool) -> None:
    """Let there have been much."""
    channel = uow.channels.insert(name="crowd", method="memory", data={"to": ["alice"]})
    store = people.system.default_file_store
    crowd = new_crowd(uow, user=people.user.id, worker=people.worker.id, store=store, channel=channel.id)
    add_crowd(uow, crowd, rows)
    if analyse:
        uow.connection.exec_driver_sql("ANALYZE")


@contextmanager
def steps(connection: sa.Connection) -> Iterator[list[int]]:
    """Counts the steps that SQLite makes, in tens."""
    counted: list[int] = []
    if writers_meet(connection):
        yield counted
        return
    raw = sqlite_connection(connection)
    raw.set_progress_handler(lambda: counted.append(1), 10)
    try:
        yield counted
    finally:
        raw.set_progress_handler(None, 0)


def rows_touched(connection: sa.Connection, text: str, parameters: Any) -> int:
    """Runs a statement, undoes it, and says how many rows PostgreSQL has looked at for it."""
    cursor = connection.connection.cursor()
    undo = not getattr(connection.connection.dbapi_connection, "autocommit", False)
    try:
        if undo:
            cursor.execute("SAVEPOINT explained")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}", parameters)
        ((plan,),) = cursor.fetchall()
        if undo:
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
    finally:
        cursor.close()
    return touched((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def touched(node: dict[str, Any]) -> int:
    """The rows that the scans of a plan have found, those included that did not fit."""
    below: int = sum(map(touched, node.get("Plans", ())))
    if not node["Node Type"].endswith("Scan"):
        return below
    removed = sum(rows for name, rows in node.items() if name.startswith("Rows Removed"))
    rows: float = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return below + round(rows)
