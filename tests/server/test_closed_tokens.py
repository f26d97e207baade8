"""A token that is closed: refused at once, and what it has open ends soon."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from attrs import evolve

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Token
from debusine.domain.secrets import key_hash
from debusine.server.admissions import ADMISSIONS
from debusine.services.administration import OPERATOR, perform
from tests.farm import Farm, open_farm
from tests.server.filing import PATIENCE, connected, declare, file_url, filed, request_head
from tests.server.work_farm import SOCKET

#: So much does not fit into the buffers between server and client.
LARGE = 20 << 20
DOWNLOAD = "/debusine/System/artifact/{}/download/large"
#: Looks come often here, so that a test waits for one but shortly.
LIMITS = Limits(sweep=0.2)

Closing = Callable[[Farm, str], Awaitable[None]]


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_farm(database, tmp_path, limits=LIMITS) as opened:
        yield opened


async def disable(farm: Farm, key: str, _: str) -> None:
    await farm.database.write(perform, OPERATOR, "token disable", {"token": f"{_token(await _all(farm), key).id}"})


async def disable_elsewhere(farm: Farm, key: str, url: str) -> None:
    """As another server does: with a connection of its own."""
    if url.startswith("sqlite"):
        pytest.skip("an embedded database has one server")
    other = open_database(url)
    try:
        await other.write(perform, OPERATOR, "token disable", {"token": f"{_token(await _all(farm), key).id}"})
    finally:
        await other.aclose()


async def expire(farm: Farm, key: str, _: str) -> None:
    """Nobody tells of it."""
    await farm.database.write(_change, key, lambda uow, token: evolve(token, expire_at=uow.now - timedelta(seconds=1)))


async def disable_in_silence(farm: Farm, key: str, _: str) -> None:
    """The word of it was lost on its way."""
    await farm.database.write(_change, key, lambda _, token: token.disable())


@pytest.fixture(params=[disable, disable_elsewhere, expire, disable_in_silence], ids=lambda close: close.__name__)
def close(request: pytest.FixtureRequest, database_url: str) -> Closing:
    """Each way in which a token is closed, in turn."""
    return lambda farm, key: request.param(farm, key, database_url)


async def test_the_next_request_is_refused(farm: Farm, close: Closing) -> None:
    assert (await farm.get("/api/1.0/work-request/")).status == 200
    await close(farm, farm.people.user_key)

    assert (await farm.get("/api/1.0/work-request/")).status == 403


async def test_a_download_is_cut(farm: Farm, close: Closing, caplog: pytest.LogCaptureFixture) -> None:
    artifact = await filed(farm, {"large": os.urandom(LARGE)})
    async with connected(farm) as (reader, writer):
        writer.write(request_head(farm, "GET", DOWNLOAD.format(artifact), {}))
        await reader.readexactly(100_000)
        await close(farm, farm.people.user_key)

        async with asyncio.timeout(PATIENCE):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await read_slowly(reader)

    assert "Traceback" not in caplog.text


async def test_a_download_is_cut_whose_client_reads_nothing(farm: Farm, close: Closing) -> None:
    artifact = await filed(farm, {"large": os.urandom(LARGE)})
    async with connected(farm) as (reader, writer):
        writer.write(request_head(farm, "GET", DOWNLOAD.format(artifact), {}))
        await reader.readexactly(100_000)
        await until_open(farm, 1)
        await close(farm, farm.people.user_key)
        await until_open(farm, 0)

        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(LARGE)


async def test_an_upload_is_cut(farm: Farm, close: Closing, caplog: pytest.LogCaptureFixture) -> None:
    content = os.urandom(100_000)
    artifact = await declare(farm, {"a": content})
    async with connected(farm) as (reader, writer):
        head = request_head(farm, "PUT", file_url(artifact, "a"), {"Content-Length": str(len(content))})
        writer.write(head + content[:50_000])
        await until_open(farm, 1)
        await close(farm, farm.people.user_key)

        async with asyncio.timeout(PATIENCE):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
        await until_open(farm, 0)

    assert "Traceback" not in caplog.text


async def test_a_workers_socket_hears_why_and_closes(farm: Farm, close: Closing) -> None:
    key = farm.people.worker_key
    async with farm.client.ws_connect(SOCKET, headers={"token": key}) as socket, asyncio.timeout(PATIENCE):
        assert orjson.loads((await socket.receive()).data)["text"] == "connected"
        await close(farm, key)

        heard = [orjson.loads(message.data) async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
        assert (heard[-1]["type"], heard[-1]["reason_code"]) == ("connection_closed", "TOKEN_DISABLED")
        assert socket.closed


async def test_what_others_have_open_goes_on(farm: Farm) -> None:
    artifact = await filed(farm, {"large": os.urandom(LARGE)})
    async with connected(farm) as (reader, writer):
        writer.write(request_head(farm, "GET", DOWNLOAD.format(artifact), {}))
        head = await reader.readuntil(b"\r\n\r\n")
        await disable(farm, farm.people.worker_key, "")
        await farm.get("/health")

        assert b"200 OK" in head
        assert len(await reader.readexactly(LARGE)) == LARGE


async def test_a_public_download_needs_no_token_and_goes_on(farm: Farm) -> None:
    artifact = await filed(farm, {"large": b"for all"}, workspace="Public")
    await disable(farm, farm.people.user_key, "")

    assert (await farm.get(DOWNLOAD.replace("System", "Public").format(artifact))).body == b"for all"


async def test_an_enabled_token_opens_doors_again(farm: Farm) -> None:
    await disable(farm, farm.people.user_key, "")
    number = _token(await _all(farm), farm.people.user_key).id
    await farm.database.write(perform, OPERATOR, "token enable", {"token": str(number)})

    assert (await farm.get("/api/1.0/work-request/")).status == 200


async def read_slowly(reader: asyncio.StreamReader) -> None:
    """Read until the end, so slowly that the server has looked at the token several times before."""
    while True:
        await reader.readexactly(1 << 16)
        await asyncio.sleep(0.02)


async def until_open(farm: Farm, transfers: int) -> None:
    """Wait until so many transfers are open."""
    assert farm.client.app is not None
    admissions = farm.client.app[ADMISSIONS]
    async with asyncio.timeout(PATIENCE):
        while len(admissions) != transfers:
            await asyncio.sleep(0.01)


def _change(uow: UnitOfWork, key: str, change: Callable[[UnitOfWork, Token], Token]) -> None:
    token = _token(uow.tokens.get_tokens(key=key), key)
    uow.tokens.save(change(uow, token), expecting=token)


async def _all(farm: Farm) -> list[Token]:
    return await farm.database.read(lambda uow: list(uow.tokens.get_tokens()))


def _token(tokens: Iterable[Token], key: str) -> Token:
    return next(token for token in tokens if token.hash == key_hash(key))
