"""Farms of real processes, on SQLite and on PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.farm import Farm, prepare_worker, running_farm


@pytest.fixture(scope="session")
def worker_sources() -> None:
    """A worker installed from the present sources."""
    prepare_worker()


@pytest.fixture
def farm(worker_sources: None, tmp_path: Path, database_url: str) -> Iterator[Farm]:
    """A server and a client; each test that asks for it runs on SQLite and on PostgreSQL."""
    database = "" if database_url.startswith("sqlite") else f"database = {json.dumps(database_url)}\n"
    with running_farm(tmp_path, database) as farm:
        yield farm
