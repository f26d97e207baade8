"""Migrations make exactly the present tables, on both databases, all or nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from debusine.db import tables
from debusine.db.engine import check_migrated, make_engine, normal_url, sqlite_url
from debusine.db.schema import (
    HEAD,
    VERSION_TABLE,
    CannotOpenDatabase,
    ForeignDatabase,
    NewerDatabase,
    OlderDatabase,
    check_version,
    known_versions,
    migrate,
    migration_connection,
    read_version,
)
from tests.postgresql import PostgreSQLServer

#: Migrates a database, and kills itself just before its Nth statement; -1: before the commit.
KILLED = """
import os, signal, sys
import sqlalchemy as sa
from debusine.db.schema import migrate

url, count = sys.argv[1], int(sys.argv[2])

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count_down(*_):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)

@sa.event.listens_for(sa.Engine, "commit")
def before_commit(_):
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(url)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "empty.sqlite")
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def by_models(empty: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the same kind with the tables of ``tables.py``."""
    if empty.startswith("sqlite"):
        url = sqlite_url(tmp_path / "models.sqlite")
        _create_all(url)
        yield url
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    url = server.create_database()
    _create_all(url)
    yield url
    server.drop_database(url)


def test_the_migrations_make_what_the_models_say(empty: str, by_models: str) -> None:
    migrate(empty)

    assert described(empty) == described(by_models)


def test_the_present_version_is_the_latest_migration() -> None:
    assert max(known_versions()) == HEAD


def test_migrating_twice_does_nothing_the_second_time(empty: str) -> None:
    assert migrate(empty) is True
    assert migrate(empty) is False
    check_version(empty)


def test_an_empty_database_is_told_from_one_that_is_ready(empty: str) -> None:
    with pytest.raises(OlderDatabase, match="debusine-admin migrate"):
        check_version(empty)


@pytest.mark.parametrize("statement", [3, 25, -1])
def test_a_migration_killed_between_two_steps_leaves_an_empty_database(empty: str, statement: int) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, empty, str(statement)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert read_version(empty) is None
    assert migrate(empty) is True
    check_version(empty)


def test_a_database_of_another_program_is_refused_and_not_touched(empty: str) -> None:
    with migration_connection(empty) as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE guests (name TEXT)")

    with pytest.raises(ForeignDatabase, match="guests"):
        migrate(empty)

    assert list(described(empty)) == ["guests"]


def test_a_newer_database_is_refused(empty: str) -> None:
    migrate(empty)
    with migration_connection(empty) as connection, connection.begin():
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")

    with pytest.raises(NewerDatabase, match="newer debusine"):
        migrate(empty)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "debusine.sqlite"
    path.write_bytes(b"something else" * 1000)

    with pytest.raises(CannotOpenDatabase, match="not a database"):
        migrate(sqlite_url(path))


def test_the_password_is_never_told() -> None:
    with pytest.raises(CannotOpenDatabase) as caught:
        migrate("postgresql://somebody:hunter2@127.0.0.1:1/debusine")

    assert "hunter2" not in str(caught.value)


def test_a_table_that_is_made_anew_keeps_the_rows_that_point_at_it(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "debusine.sqlite")
    migrate(url)

    with migration_connection(url) as connection, connection.begin():
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
        connection.exec_driver_sql("INSERT INTO workspaces VALUES (1, 'lonely', 0, NULL, 99)")
        with pytest.raises(AssertionError, match="workspaces"):
            check_migrated(connection)


def _create_all(url: str) -> None:
    engine = make_engine(normal_url(url), connections=1)
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
    engine.dispose()


def described(url: str) -> dict[str, object]:
    """Everything that the database itself says of its tables, but the one of the version."""
    with migration_connection(url) as connection:
        if connection.dialect.name == "sqlite":
            return _sqlite_description(connection)
        return _postgresql_description(connection)


def _sqlite_description(connection: sa.Connection) -> dict[str, object]:
    rows = connection.exec_driver_sql("SELECT tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    described: dict[str, object] = {}
    for table, name, text in sorted(rows):
        if table not in {VERSION_TABLE, "sqlite_sequence"}:
            # A table that a migration has made anew stands in quotes.
            described[name] = sorted(line.strip().rstrip(",") for line in text.replace('"', "").splitlines())
    return described


def _postgresql_description(connection: sa.Connection) -> dict[str, object]:
    described: dict[str, object] = {}
    for table in sorted(sa.inspect(connection).get_table_names()):
        if table != VERSION_TABLE:
            described[table] = [
                sorted(tuple(row) for row in connection.exec_driver_sql(question.format(table=table)))
                for question in _POSTGRESQL_QUESTIONS
            ]
    return described


_POSTGRESQL_QUESTIONS = (
    """SELECT attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation::text
    FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0""",
    "SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{table}'::regclass",
)
