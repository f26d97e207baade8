"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest

from tests.postgresql import CannotStartPostgreSQL, PostgreSQLServer, running_postgresql


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """One PostgreSQL for the session, started when the first test asks for it."""
    try:
        with running_postgresql() as server:
            yield server
    except CannotStartPostgreSQL as error:
        pytest.skip(str(error))
