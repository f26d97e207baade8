"""The event loop's thread opens, reads and writes no file, computes no hash and asks no database: others do."""

import asyncio
import hashlib
import io
import os
from pathlib import Path

import pytest

from debusine.db.database import Database
from tests.farm import Farm
from tests.server.filing import ARTIFACTS, declare, file_url
from tests.server.loop_watch import watching_this_thread
from tests.server.recording import recording
from tests.server.tour import make_tour, open_tour_farm

LARGE = os.urandom(3 << 20)
MANY = {f"{number}": b"" for number in range(2000)}


async def test_nothing_that_takes_long_is_done_on_the_loops_thread(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_tour_farm(database, tmp_path) as farm:
        with watching_this_thread(monkeypatch) as watch, recording(farm) as recorded:
            await make_tour(recorded, 3)
            await transfer(farm)

    assert not watch.seen, "\n".join(sorted(set(watch.seen)))


async def transfer(farm: Farm) -> None:
    """Send and fetch what is large."""
    artifact = await declare(farm, {"large": LARGE}, workspace="Public")
    half = len(LARGE) // 2
    for start, stop in ((0, half), (half, len(LARGE))):
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(LARGE)}"}
        body = io.BytesIO(LARGE[start:stop])
        assert (await farm.put(file_url(artifact, "large"), data=body, headers=headers)).status in {200, 201}
    path = f"/debusine/Public/artifact/{artifact}/download/"
    assert (await farm.get(f"{path}large")).body == LARGE
    assert (await farm.get(f"{path}large", headers={"Range": "bytes=5-"})).body == LARGE[5:]
    assert (await farm.get(f"{path}?archive=tar.gz")).status == 200
    many = await declare(farm, MANY)
    assert len((await farm.get(f"{ARTIFACTS}{many}/")).json()["files"]) == len(MANY)


async def test_what_is_done_there_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def do_all() -> None:
        path = tmp_path / "file"
        path.write_bytes(LARGE)
        descriptor = os.open(path, os.O_RDWR)
        os.pread(descriptor, 10, 0)
        os.fsync(descriptor)
        os.close(descriptor)
        hashlib.sha256(LARGE)
        hashlib.new("sha256").update(LARGE)
        path.unlink()

    with watching_this_thread(monkeypatch) as watch:
        await asyncio.to_thread(do_all)
        assert watch.seen == []
        do_all()
        assert watch.seen == []
        watch.own = "nobody's"
        do_all()

    seen = [what.split("(")[0].split(" by ")[0] for what in watch.seen]
    assert seen.count("a hash") == 2
    assert set(seen) == {"open", "os.pread", "os.fsync", "a hash", "os.remove"}
