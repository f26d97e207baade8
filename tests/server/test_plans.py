"""No statement reads a table that grows from end to end: databases are asked how they mean to find things.

On PostgreSQL with sequential scans as the last resort, so that what they still are needed for has no index.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from debusine.db import tables
from debusine.db.open import open_database
from debusine.server.route import path_of
from debusine.server.routes import ROUTES
from tests.server.recording import Recording, recording
from tests.server.tour import make_tour, open_tour_farm

#: They stay small however much is done: an operator makes their rows, one by one.
SMALL = {"file_stores", "notification_channels", "servers", "workers", "workspace_file_stores", "workspaces"}
GROWING = set(tables.metadata.tables) - SMALL
#: Indexes that stay small: they have what workers have in hand, of which each has one thing.
SMALL_INDEXES = {"ix_work_requests_in_hand", "ix_attempts_unreleased"}
TABLE_OF = {index.name: table.name for table in tables.metadata.tables.values() for index in table.indexes}


@frozen
class Allowed:
    """Statements that may read a table or an index from its beginning."""

    #: What they contain, with single blanks.
    pattern: str
    reason: str


ALLOWED = (
    Allowed(
        r"FROM work_requests ORDER BY work_requests\.id DESC LIMIT",
        "The first page of the list: in the order of the table, and no further than the page goes.",
    ),
    Allowed(
        r"\(SELECT work_requests\.completed_at FROM work_requests WHERE work_requests\.status = 'completed' "
        r"ORDER BY work_requests\.completed_at DESC LIMIT",
        "The latest completion: one row, from the end of its index.",
    ),
    Allowed(
        r"WITH RECURSIVE waiting \(demand\)",
        "The first demand that waits: one row, from the beginning of its index.",
    ),
    Allowed(
        r"SELECT .*count\(\*\) AS count_.* FROM work_requests WHERE work_requests\.status",
        "Counts of what waits, runs and has ended: each in its own index; they are not counted for each question.",
    ),
    Allowed(
        r"FROM outbox WHERE outbox\.(state = '(waiting|dead)'|ended_at IS NOT NULL)\) AS anon",
        "Counts of notifications: each in its own index; they are not counted for each question.",
    ),
    Allowed(
        r"FROM outbox WHERE outbox\.state = 'waiting' AND \(outbox\.method NOT IN",
        "What nobody can send: every ten minutes, through the index of what waits.",
    ),
    Allowed(
        r"SELECT (count\(\*\) AS count_|file_uploads\.path) FROM file_uploads$",
        "The uploads that are open: a limit bounds them, and those that nobody goes on with are collected.",
    ),
    Allowed(
        r"SELECT count\(\*\) AS count_1 FROM file_uploads JOIN",
        "How many of them are one user's: the same.",
    ),
    Allowed(
        r"FROM workers JOIN tokens ON tokens\.id = workers\.token",
        "Idle workers: where there are about as many tokens as workers, PostgreSQL may read them all.",
    ),
    Allowed(
        r"WITH RECURSIVE heads \(id, priority",
        "The heads of queues: where hardly anything waits, PostgreSQL may read all of it; see tests/db/test_queues.py.",
    ),
    Allowed(
        r"INSERT INTO workers",
        "SQLite looks for what refers to a worker only if something does in vain, which ends every transaction.",
    ),
)


async def test_what_grows_is_never_read_from_end_to_end(database_url: str, tmp_path: Path) -> None:
    discourage_scans(database_url)
    database = open_database(database_url)
    try:
        async with open_tour_farm(database, tmp_path) as farm:
            with recording(farm, probe=scanned) as recorded:
                await make_tour(recorded, 2)
    finally:
        await database.aclose()

    found = {text: names & GROWING for text, names in scans(recorded) if names & GROWING}
    forbidden = {text: names for text, names in found.items() if not any(re.search(a.pattern, text) for a in ALLOWED)}
    assert forbidden == {}
    assert_tour_is_complete(recorded)


def test_scans_are_seen() -> None:
    assert scanned_by_sqlite(["SCAN files", "SEARCH artifacts USING INDEX x (y=?)"]) == {"files"}
    assert scanned_by_sqlite(["SCAN files USING COVERING INDEX x"]) == {"files"}
    limit = {"Node Type": "Limit", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "files"}]}
    through = {"Node Type": "Index Only Scan", "Relation Name": "files", "Index Name": "x"}
    assert scanned_by_postgresql(limit) == scanned_by_postgresql(through) == {"files"}
    assert scanned_by_postgresql(through | {"Index Cond": "(id = 1)"}) == set()


def assert_tour_is_complete(recorded: Recording) -> None:
    """Every route was asked."""
    visited = {label.partition(" (")[0] for label in recorded.visits}
    assert {f"{route.method} {path_of(route)}" for route in ROUTES} - visited == set()


def scans(recorded: Recording) -> Iterator[tuple[str, set[str]]]:
    """Each statement, with single blanks, and the tables that it reads from end to end."""
    for transaction in recorded.transactions:
        for statement in transaction.statements:
            yield " ".join(statement.text.split()), statement.seen


def scanned(connection: sa.Connection, text: str, parameters: Any) -> set[str]:
    """The tables that a statement would read from end to end, or through a whole index."""
    if connection.dialect.name == "sqlite":
        return scanned_by_sqlite(
            [str(row[-1]) for row in explained(connection, "EXPLAIN QUERY PLAN", text, parameters)]
        )
    ((plan,),) = explained(connection, "EXPLAIN (FORMAT JSON)", text, parameters)
    return scanned_by_postgresql((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def scanned_by_sqlite(plan: list[str]) -> set[str]:
    found = {words[1]: words[-1] for line in plan if (words := line.split())[0] == "SCAN"}
    return {table for table, index in found.items() if index not in SMALL_INDEXES}


def scanned_by_postgresql(node: dict[str, Any]) -> set[str]:
    found = set[str]().union(*(scanned_by_postgresql(each) for each in node.get("Plans", ())))
    index = node.get("Index Name")
    through_all = node["Node Type"] == "Seq Scan" or (index is not None and "Index Cond" not in node)
    if through_all and index not in SMALL_INDEXES:
        found.add(node.get("Relation Name") or TABLE_OF[index])
    return found


def explained(connection: sa.Connection, word: str, text: str, parameters: Any) -> list[Any]:
    """What a database says of a statement that it is not to run; not through SQLAlchemy, which tells of statements."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"{word} {text}", parameters)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def discourage_scans(url: str) -> None:
    """Have PostgreSQL read a table from end to end only where nothing else helps."""
    if url.startswith("sqlite"):
        return
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} SET enable_seqscan = off")
    engine.dispose()
