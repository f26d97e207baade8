"""A server of the protocol in this process, and a client of it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from debusine.client import Access, Backoff, Client, Connection
from debusine.domain.secrets import Secret
from tests.client.fake_server import FakeServer

#: What must work in the end does, also when the machine stands still for seconds.
PATIENT = Backoff(first=0.001, most=0.01, patience=30.0)
#: For what must fail: ``@pytest.mark.parametrize("backoff", [IMPATIENT])``.
IMPATIENT = Backoff(first=0.001, most=0.01, patience=0.1)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def running(server: FakeServer) -> AsyncIterator[TestServer]:
    started = TestServer(server.application(), host="127.0.0.1")
    async with started:
        yield started


@pytest.fixture
def access(running: TestServer) -> Access:
    return Access(api_url=str(running.make_url("/api")), token=Secret("k" * 64), scope="debusine")


@pytest.fixture
def backoff() -> Backoff:
    return PATIENT


@pytest.fixture
async def connection(access: Access, backoff: Backoff) -> AsyncIterator[Connection]:
    async with Connection(access, backoff=backoff) as opened:
        yield opened


@pytest.fixture
def client(connection: Connection) -> Client:
    return Client(connection)
