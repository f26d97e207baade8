"""Fixtures that every test may use."""

import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiohttp import web_app
from hypothesis import HealthCheck, settings

from debusine.db.database import Database
from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.db.schema import migrate
from tests.ordering import in_order
from tests.ports import reserved_port
from tests.postgresql import CannotStartPostgreSQL, PostgreSQLServer, running_postgresql

# A machine that does other things at the same time is no failure.
settings.register_profile("debusine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("debusine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items[:] = in_order(items)


def pytest_collection_finish() -> None:
    """Tell the garbage collector that what is there now stays: looking at it again and again takes a tenth of a run."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a file together when several run at a time."""
    from tests.scheduling import FileScheduling  # it may be missing

    return FileScheduling(config, log)


@pytest.fixture(autouse=True)
def _no_server_outlives_its_test() -> Iterator[None]:
    """Let go of applications: aiohttp keeps the last thousand handlers, and each keeps its application with all it has.

    A program has one for its life. A run of all tests makes thousands, and would grow to a gigabyte.
    """
    yield
    if forget := getattr(web_app, "_cached_build_middleware", None):
        forget.cache_clear()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """One PostgreSQL for the session, started when the first test asks for it."""
    try:
        with running_postgresql() as server:
            yield server
    except CannotStartPostgreSQL as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with empty tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    migrate(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgreSQLServer) -> str:
    """The name of a PostgreSQL database with empty tables, to be copied."""
    url = postgresql_server.create_database()
    migrate(url)
    return sa.make_url(url).database or ""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with empty tables: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "debusine.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield sqlite_url(path)
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    url = server.create_database(template=request.getfixturevalue("postgresql_template"))
    yield url
    server.discard_database(url)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with reserved_port() as port:
        yield port


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database, SQLite and PostgreSQL in turn."""
    opened = open_database(database_url)
    yield opened
    await opened.aclose()
