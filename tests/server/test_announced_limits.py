"""``limits/`` announces everything that the server enforces, as it is configured."""

from pathlib import Path

import attrs
import pytest

from debusine.config import Limits
from debusine.db.database import Database
from tests.farm import Farm, open_farm

# What stands before the services is the same on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_every_setting_is_announced_as_it_is_configured(database: Database, tmp_path: Path) -> None:
    limits = Limits(chunk=12345, heartbeat=4.0)
    async with open_farm(database, tmp_path, limits=limits) as farm:
        told = (await farm.get("/api/1.0/limits/", key=None)).json()

    assert attrs.asdict(limits).items() <= told.items()
    assert told["silence"] == 6.0


async def test_what_nobody_configures_is_announced_too(farm: Farm) -> None:
    told = (await farm.get("/api/1.0/limits/", key=None)).json()

    fixed = {
        "path": 500,
        "path_component": 255,
        "run_time": 21_600,
        "max_run_time": 259_200,
        "attempts": 3,
        "log": 256 << 20,
    }
    assert fixed.items() <= told.items()


@pytest.mark.parametrize("length", [500, 501])
async def test_the_announced_length_of_a_path_is_the_one_that_holds(farm: Farm, length: int) -> None:
    path = "/".join(["a" * 249, "b" * (length - 250)])
    file = {"size": 0, "checksums": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
    body = {"category": "debusine:test", "data": {}, "files": {path: file}}

    assert (await farm.post("/api/1.0/artifact/", body)).status == (201 if length == 500 else 400)
