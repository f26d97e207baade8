"""A short run of the fuzzers; ``python -m tests.fuzz`` runs them for as long as one likes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fuzz.checks import checked
from tests.fuzz.description import explore
from tests.fuzz.run import Fuzzer
from tests.fuzz.target import Target, running_target
from tests.postgresql import PostgreSQLServer


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Target, str | None]]:
    """A server in a process of its own, and its database (none: SQLite)."""
    url = None
    if request.param == "postgresql":
        server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
        url = server.create_database()
    async with running_target(tmp_path, url) as target:
        yield target, url


async def test_no_request_makes_an_error_of_the_servers_own(place: tuple[Target, str | None], tmp_path: Path) -> None:
    target, url = place
    seed = secrets.randbelow(10**9)  # a failure shows it; a case is repeated by: python -m tests.fuzz --seed --case
    await target.report("forget")

    findings = await Fuzzer(target, seed).run(seconds=20, cases=400)
    said = await explore(target, key="user", seconds=4, seed=seed, directory=tmp_path, brief=True)
    await asyncio.sleep(0.1)
    report = await target.report()

    assert findings.complaints == [], f"seed {seed}"
    assert said == "", f"seed {seed}"
    assert report["errors"] == [], f"seed {seed}"
    assert await checked(target, url) == []
