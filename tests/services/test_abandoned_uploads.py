"""Uploads that nobody goes on with: they end, and those that move do not (P15)."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Invalid
from debusine.services import abandoned_uploads
from debusine.services.receptions import Progress
from debusine.services.uploads import Uploads
from tests.depot import LIMITS, Depot, open_depot

CONTENT = bytes(range(256)) * 100
SIZE, THIRD = len(CONTENT), len(CONTENT) // 3
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def turn_back(depot: Depot, by: timedelta) -> None:
    """Let the last byte of every upload have come earlier."""

    def change(uow: UnitOfWork) -> None:
        for upload in uow.uploads._all(uow.uploads._select()):
            uow.uploads.save(evolve(upload, last_activity_at=upload.last_activity_at - by), expecting=upload)

    await depot.database.write(change)


async def test_an_upload_is_forgotten_a_day_after_its_last_byte(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY + SECOND)

    assert await abandoned_uploads.collect(depot.uploads) == 1

    assert depot.spooled() == {}
    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert await depot.put(artifact, "a", CONTENT) == Progress(SIZE, complete=True)


async def test_an_upload_stays_until_the_day_is_over(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY - 60 * SECOND)

    assert await abandoned_uploads.collect(depot.uploads) == 0

    assert await depot.probe(artifact, "a") == Progress(THIRD, complete=False)


async def test_every_chunk_begins_the_day_anew(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY + SECOND)
    await depot.put_part(artifact, "a", CONTENT, THIRD, 2 * THIRD)

    assert await abandoned_uploads.collect(depot.uploads) == 0

    assert await depot.put_part(artifact, "a", CONTENT, 2 * THIRD, SIZE) == Progress(SIZE, complete=True)


async def test_an_old_upload_of_which_a_request_is_under_way_stays(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY + SECOND)
    coming, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[THIRD : 2 * THIRD]
        coming.set()
        await go_on.wait()
        yield CONTENT[2 * THIRD :]

    upload = asyncio.create_task(depot.put(artifact, "a", slowly(), (THIRD, SIZE, SIZE)))
    await coming.wait()

    assert await abandoned_uploads.collect(depot.uploads) == 0

    go_on.set()
    assert await upload == Progress(SIZE, complete=True)


async def test_a_chunk_that_comes_while_its_upload_is_forgotten_is_told_so(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY + SECOND)
    late: list[asyncio.Task[Progress]] = []

    async def meanwhile() -> None:
        late.append(asyncio.create_task(depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)))
        while len(depot.uploads.turns._places[artifact, "a"].requests) < 2:
            await asyncio.sleep(0)

    depot.database.before["_forget"] = meanwhile
    assert await abandoned_uploads.collect(depot.uploads) == 1

    with pytest.raises(Invalid, match="only 0 bytes are here"):
        await late[0]
    assert depot.spooled() == {}
    assert await depot.put(artifact, "a", CONTENT) == Progress(SIZE, complete=True)


async def test_an_upload_that_moves_between_the_look_and_the_deletion_stays(depot: Depot, tmp_path: Path) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, DAY + SECOND)
    other = await open_depot(depot.workshop, tmp_path / "other")  # of another server: it knows nothing of our turns

    async def meanwhile() -> None:
        del other.database.before["_forget"]
        await depot.put_part(artifact, "a", CONTENT, THIRD, 2 * THIRD)

    other.database.before["_forget"] = meanwhile
    assert await abandoned_uploads.collect(other.uploads) == 0

    assert await depot.put_part(artifact, "a", CONTENT, 2 * THIRD, SIZE) == Progress(SIZE, complete=True)


async def test_files_that_no_upload_speaks_of_go_once_they_are_old(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    directory = depot.uploads.spool.directory
    for name, age in (("stray", DAY + SECOND), ("young", SECOND)):
        (directory / name).write_bytes(b"x")
        then = (datetime.now().astimezone() - age).timestamp()
        os.utime(directory / name, (then, then))

    assert await abandoned_uploads.collect(depot.uploads) == 1

    assert sorted(depot.spooled().values()) == [1, THIRD]


async def test_the_day_is_a_setting(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await turn_back(depot, SECOND)
    impatient: Uploads = evolve(depot.uploads, limits=evolve(LIMITS, upload_idle=0.5))

    assert await abandoned_uploads.collect(impatient) == 1
