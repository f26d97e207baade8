"""A real server for those who know nothing of it, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.foreign.processes import ForeignClient
from tests.postgresql import PostgreSQLServer
from tests.wire.api import Api
from tests.wire.server import Server, running_on_postgresql, running_server

#: Who is gone for this long is lost, so that a test need not wait.
CONFIGURATION = (
    "[limits]\nsweep = 0.2\nworker_return = 0.5\nmetadata_interval = 1\novertime = 0.1\nbad_credentials = 100000\n"
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs on both databases, unless its module says that one is enough (``DATABASES``)."""
    if "server" in metafunc.fixturenames:
        databases = getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql"))
        metafunc.parametrize("server", databases, indirect=True, scope="session")


@pytest.fixture(scope="session")
def on_sqlite() -> Iterator[Server]:
    """One server for all tests that want it on SQLite."""
    with running_server(configuration=CONFIGURATION) as server:
        yield server


@pytest.fixture(scope="session")
def on_postgresql(postgresql_server: PostgreSQLServer, postgresql_template: str) -> Iterator[Server]:
    """One server for all tests that want it on PostgreSQL."""
    with running_on_postgresql(postgresql_server, postgresql_template, CONFIGURATION) as server:
        yield server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """The server on one of the databases; a test that kills it starts it again."""
    found: Server = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A user's plain requests, for looking; nothing of the test is left waiting."""
    api = Api(server.address, server.user_key())
    api.abort_everything()
    yield api
    api.abort_everything()


@pytest.fixture
def client(server: Server, api: Api, tmp_path: Path) -> ForeignClient:
    """The foreign client of the same user."""
    return ForeignClient.make(tmp_path, server.url, api.key or "")
