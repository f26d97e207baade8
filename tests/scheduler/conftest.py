"""What tests of the scheduler ask for."""

import pytest

from debusine.db.database import Database
from tests.work import Workshop, open_workshop


@pytest.fixture
async def workshop(database: Database) -> Workshop:
    """A user and no worker yet, on SQLite and on PostgreSQL in turn."""
    return await open_workshop(database)
