"""A PostgreSQL that ends what is under way, and that is only read for a while: the server outlives it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from debusine.db.engine import normal_url
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.server.beat import keep_beating
from debusine.server.keys import BACKGROUND, SERVER
from tests.farm import Farm
from tests.postgresql import OWNER, PostgreSQLServer
from tests.server.work_farm import API, FORGETFUL, becomes, open_work_farm, ready_worker, submit

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
#: Loops that write then, by the loggers of their warnings.
LOOPS = {"debusine.server.beat", "debusine.server.sockets.workers"}


@pytest.fixture
def url(postgresql_server: PostgreSQLServer, postgresql_template: str) -> Iterator[str]:
    made = postgresql_server.create_database(template=postgresql_template)
    yield made
    postgresql_server.discard_database(made)


@pytest.fixture
async def work_farm(url: str, tmp_path: Path) -> AsyncIterator[Farm]:
    database = PostgreSQLDatabase(normal_url(url))
    async with open_work_farm(database, tmp_path, FORGETFUL) as farm:
        yield farm
    await database.aclose()


async def test_a_server_lives_through_a_database_that_is_only_read_and_goes_on_assigning(
    work_farm: Farm, url: str, postgresql_server: PostgreSQLServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = work_farm.client.app
    assert app is not None
    name = sa.make_url(url).database or ""
    async with ready_worker(work_farm) as worker:
        lost = await submit(work_farm)
        await worker.until("work_request_available")
        await worker.get_next()
    with psycopg.connect(host=str(postgresql_server.home), user=OWNER, dbname="postgres", autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        operator.execute(CUT, [name])
        app[BACKGROUND].start("beat", keep_beating(work_farm.database, app[SERVER]))
        refused = await work_farm.post(f"{API}/work-request/", {"task_name": "echo", "task_data": {}})
        shown = await work_farm.get(f"{API}/work-request/{lost}/")
        await until(lambda: {record.name for record in caplog.records if "read-only" in record.message} >= LOOPS)
        operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        operator.execute(CUT, [name])

    assert (refused.status, shown.status) == (503, 200)
    assert (await becomes(work_farm, lost, "pending"))["attempt"] == 1
    assert not app[BACKGROUND].failed.is_set()
    assert all(record.levelno < logging.ERROR for record in caplog.records)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)
