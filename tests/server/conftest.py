"""The farm that tests of the server ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.db.database import Database
from tests.farm import Farm, open_farm


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A server on SQLite and on PostgreSQL in turn, with a local store below ``tmp_path``."""
    async with open_farm(database, tmp_path) as opened:
        yield opened
