"""What tests of the services ask for."""

from pathlib import Path

import pytest

from debusine.db.database import Database
from tests.depot import Depot, new_depot
from tests.work import Workshop, open_workshop


@pytest.fixture
async def workshop(database: Database) -> Workshop:
    """A user and no worker yet, on SQLite and on PostgreSQL in turn."""
    return await open_workshop(database)


@pytest.fixture
async def depot(database: Database, tmp_path: Path) -> Depot:
    """A store and a spool in directories, on SQLite and on PostgreSQL in turn."""
    return await new_depot(database, tmp_path / "depot")
