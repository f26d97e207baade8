"""A server of the protocol in this process, and a client of it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from debusine.client import Access, Backoff, Client, Connection
from debusine.domain.secrets import Secret
from tests.client.fake_server import FakeServer

#: Tests that end with an error wait no longer than this.
IMPATIENT = Backoff(first=0.001, most=0.01, patience=0.2)


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
async def connection(access: Access) -> AsyncIterator[Connection]:
    async with Connection(access, backoff=IMPATIENT) as opened:
        yield opened


@pytest.fixture
def client(connection: Connection) -> Client:
    return Client(connection)
