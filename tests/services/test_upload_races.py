"""Requests for one file that meet between a look at the database and the turn to write."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from debusine.domain.errors import Conflict
from debusine.services.receptions import Progress
from tests.depot import Depot, open_depot

CONTENT = bytes(range(256)) * 1200
SIZE = len(CONTENT)
THIRD = SIZE // 3


class Delay:
    """Holds the first look at the database back, once it has seen what there is."""

    def __init__(self, depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked, self.go_on = asyncio.Event(), asyncio.Event()
        self._read = depot.database.read
        monkeypatch.setattr(depot.database, "read", self.read)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        seen = await self._read(*args, **kwargs)
        if not self.looked.is_set():
            self.looked.set()
            await self.go_on.wait()
        return seen


async def test_who_looked_before_another_chunk_came_takes_none_of_it_back(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    delay = Delay(depot, monkeypatch)
    late = asyncio.create_task(depot.put_part(artifact, "a", CONTENT, THIRD, THIRD + 10))
    await delay.looked.wait()
    await depot.put_part(artifact, "a", CONTENT, THIRD, 2 * THIRD)

    delay.go_on.set()

    assert await late == Progress(2 * THIRD, complete=False)
    assert list(depot.spooled().values()) == [2 * THIRD]
    assert await depot.put_part(artifact, "a", CONTENT, 2 * THIRD, SIZE) == Progress(SIZE, complete=True)
    assert await depot.fetch(artifact, "a") == CONTENT


async def test_who_looked_before_the_first_chunk_came_goes_on_behind_it(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    delay = Delay(depot, monkeypatch)
    late = asyncio.create_task(depot.put(artifact, "a", CONTENT))
    await delay.looked.wait()
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)

    delay.go_on.set()

    assert await late == Progress(SIZE, complete=True)
    assert depot.spooled() == {}
    assert await depot.database.read(lambda uow: uow.uploads.names()) == set()


async def test_a_chunk_that_another_server_was_faster_with_is_a_conflict_and_leaves_nothing(
    depot: Depot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await open_depot(depot.workshop, tmp_path / "other")
    artifact = await depot.declare({"a": CONTENT})
    delay = Delay(other, monkeypatch)
    late = asyncio.create_task(other.put_part(artifact, "a", CONTENT, 0, THIRD))
    await delay.looked.wait()
    await depot.put_part(artifact, "a", CONTENT, 0, 2 * THIRD)

    delay.go_on.set()

    with pytest.raises(Conflict):
        await late
    assert other.spooled() == {}
    assert await depot.probe(artifact, "a") == Progress(2 * THIRD, complete=False)


async def test_a_file_that_another_server_completes_leaves_no_row_of_an_upload(depot: Depot, tmp_path: Path) -> None:
    other = await open_depot(depot.workshop, tmp_path / "other")
    artifact = await depot.declare({"a": CONTENT})
    stopped = asyncio.create_task(depot.put(artifact, "a", CONTENT))
    depot.backend.before = lambda: other.put_part(artifact, "a", CONTENT, 0, THIRD)

    assert await stopped == Progress(SIZE, complete=True)

    assert await depot.database.read(lambda uow: uow.uploads.names()) == set()
