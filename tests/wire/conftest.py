"""One real server for all tests here, on SQLite and on PostgreSQL, and who speaks to it."""

from collections.abc import Iterator

import pytest

from tests.postgresql import PostgreSQLServer
from tests.wire.api import Api
from tests.wire.mail import MailSink
from tests.wire.server import CONFIGURATION, Server, new_name, running_on_postgresql, running_server
from tests.wire.workers import HandWorker, connected


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs on both databases, unless its module says that one is enough (``DATABASES``)."""
    if "server" in metafunc.fixturenames:
        databases = getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql"))
        metafunc.parametrize("server", databases, indirect=True, scope="session")


@pytest.fixture(scope="session")
def mail() -> Iterator[MailSink]:
    """Where the mail of all servers ends."""
    sink = MailSink()
    sink.start()
    yield sink
    sink.close()


@pytest.fixture(scope="session")
def configuration(mail: MailSink) -> str:
    """What the servers are told."""
    return f'{CONFIGURATION}[notifications.email.options]\nserver = "127.0.0.1"\nport = {mail.port}\ntls = "none"\n'


@pytest.fixture(scope="session")
def on_sqlite(configuration: str) -> Iterator[Server]:
    """One server for all tests that want it on SQLite."""
    with running_server(configuration=configuration) as server:
        yield server


@pytest.fixture(scope="session")
def on_postgresql(
    postgresql_server: PostgreSQLServer, postgresql_template: str, configuration: str
) -> Iterator[Server]:
    """One server for all tests that want it on PostgreSQL."""
    with running_on_postgresql(postgresql_server, postgresql_template, configuration) as server:
        yield server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """The server on one of the databases; tests share it, and make what they need."""
    found: Server = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture(scope="session")
def user(server: Server) -> Api:
    """A user."""
    return Api(server.address, server.user_key())


@pytest.fixture
def nobody(user: Api) -> Api:
    """Somebody without a key."""
    return user.by(None)


@pytest.fixture(scope="session")
def public(server: Server) -> str:
    """The name of a workspace that everybody may read."""
    name = new_name()
    server.operate("workspace create", name=name, public=True)
    return name


@pytest.fixture
def idle(server: Server, user: Api) -> Iterator[Api]:
    """A new worker that is not connected, on a farm where nothing waits."""
    user.abort_everything()
    yield user.by(server.worker_key())
    user.abort_everything()


@pytest.fixture
def worker(idle: Api) -> Iterator[HandWorker]:
    """A new worker that can run every task, on a farm where nothing waits."""
    with connected(idle) as worker:
        yield worker
