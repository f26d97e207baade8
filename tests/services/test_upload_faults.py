"""No acknowledged byte is lost and no wrong one is kept, whatever fails at whatever moment of an upload."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.engine import DatabaseUnreachable
from debusine.domain.errors import Conflict, DebusineError, StorageFull, Unavailable
from debusine.plugin import WriteFailed
from debusine.services.partial_files import NoRoom, SpoolFailed
from debusine.services.receptions import Progress, WrongContent
from debusine.services.spool import SpaceLow
from tests.depot import LIMITS, PATIENCE, Depot, new_depot, sent, until_requests

CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB
SIZE = len(CONTENT)
HALF = SIZE // 2


async def test_whatever_was_acknowledged_is_there_after_a_crash_in_the_middle_of_a_chunk(
    depot: Depot, tmp_path: Path
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, HALF)
    await abandoned(depot, depot.put(artifact, "a", hanging(depot, CONTENT[HALF:-1]), (HALF, SIZE, SIZE)))
    assert HALF < next(iter(depot.spooled().values())) < SIZE

    started = await depot.after_a_crash(tmp_path / "after")

    assert await started.probe(artifact, "a") == Progress(HALF, complete=False)
    await finish(started, artifact)


#: Where a server stands still in the middle of a request, and how much a client may find there afterwards.
CRASHES_OF_A_MIDDLE_CHUNK: dict[str, tuple[Callable[[Depot], Any], int]] = {
    "before the offset is committed": (lambda depot: depot.database.before.update(advance=depot.stand_still), 0),
    "before it is answered": (lambda depot: depot.database.after.update(advance=depot.stand_still), HALF),
}


@pytest.mark.parametrize("moment", CRASHES_OF_A_MIDDLE_CHUNK)
async def test_an_upload_resumes_after_a_crash_in_its_first_chunk(depot: Depot, tmp_path: Path, moment: str) -> None:
    crash, received = CRASHES_OF_A_MIDDLE_CHUNK[moment]
    artifact = await depot.declare({"a": CONTENT})
    crash(depot)
    await abandoned(depot, depot.put_part(artifact, "a", CONTENT, 0, HALF))

    started = await depot.after_a_crash(tmp_path / "after")

    assert await started.probe(artifact, "a") == Progress(received, complete=False)
    assert len(started.spooled()) == (1 if received else 0)
    await finish(started, artifact)


CRASHES_OF_A_LAST_CHUNK: dict[str, Callable[[Depot], Any]] = {
    "before it is stored": lambda depot: setattr(depot.backend, "before", depot.stand_still),
    "after it is stored": lambda depot: setattr(depot.backend, "after", depot.stand_still),
    "before it is recorded": lambda depot: depot.database.before.update(complete=depot.stand_still),
    "after it is recorded": lambda depot: depot.database.after.update(complete=depot.stand_still),
}


@pytest.mark.parametrize("begun", [0, HALF])
@pytest.mark.parametrize("moment", CRASHES_OF_A_LAST_CHUNK)
async def test_a_file_is_complete_or_resumes_after_a_crash_in_its_last_chunk(
    depot: Depot, tmp_path: Path, moment: str, begun: int
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    CRASHES_OF_A_LAST_CHUNK[moment](depot)
    await abandoned(depot, depot.put_part(artifact, "a", CONTENT, begun, SIZE))

    started = await depot.after_a_crash(tmp_path / "after")

    complete = moment == "after it is recorded"
    assert await started.probe(artifact, "a") == Progress(SIZE if complete else begun, complete=complete)
    assert list(started.spooled().values()) in ([], [begun], [SIZE] if begun else [])
    await finish(started, artifact)
    assert started.spooled() == {}


@pytest.mark.parametrize("begun", [0, HALF])
async def test_an_object_without_a_row_is_never_changed_by_the_upload_that_resumes(
    depot: Depot, tmp_path: Path, begun: int
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    depot.backend.after = depot.stand_still
    await abandoned(depot, depot.put_part(artifact, "a", CONTENT, begun, SIZE))
    started = await depot.after_a_crash(tmp_path / "after")

    with pytest.raises(WrongContent):
        await started.put(artifact, "a", b"?" * (SIZE - begun), (begun, SIZE, SIZE))

    objects = [path for path in (tmp_path / "after" / "store").rglob("*-*") if path.is_file()]
    assert [path.read_bytes() for path in objects] == [CONTENT]


@pytest.mark.parametrize("error", [StorageFull("full"), Unavailable("away"), RuntimeError("a plugin's mistake")])
@pytest.mark.parametrize("begun", [0, HALF])
async def test_a_store_that_fails_costs_one_chunk_and_nothing_else(depot: Depot, error: Exception, begun: int) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    depot.backend.before = lambda: fail(error)

    with pytest.raises(type(error)):
        await depot.put_part(artifact, "a", CONTENT, begun, SIZE)
    depot.backend.before = None

    assert await depot.probe(artifact, "a") == Progress(begun, complete=False)
    await finish(depot, artifact)
    assert (depot.spooled(), await depot.objects()) == ({}, [SIZE])


@pytest.mark.parametrize("begun", [0, HALF])
async def test_what_a_store_could_not_sync_is_sent_anew(depot: Depot, begun: int) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    depot.backend.before = lambda: fail(WriteFailed("the object", "I/O error"))

    with pytest.raises(WriteFailed):
        await depot.put_part(artifact, "a", CONTENT, begun, SIZE)
    depot.backend.before = None

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert depot.spooled() == {}
    await finish(depot, artifact)


@pytest.mark.parametrize(("number", "error"), [(errno.EIO, WriteFailed), (errno.ENOSPC, NoRoom)])
async def test_a_failed_sync_is_never_tried_again(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, number: int, error: type[DebusineError]
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, HALF)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda _: fail(OSError(number, os.strerror(number))))
        with pytest.raises(error):
            await depot.put_part(artifact, "a", CONTENT, HALF, SIZE - 1)

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert depot.spooled() == {}
    await finish(depot, artifact)


@pytest.mark.parametrize(
    ("number", "error", "received"),
    [(errno.ENOSPC, NoRoom, HALF), (errno.EROFS, SpoolFailed, HALF), (errno.EIO, WriteFailed, 0)],
)
async def test_a_disk_that_takes_no_more_bytes_keeps_those_that_were_acknowledged(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, number: int, error: type[DebusineError], received: int
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, HALF)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda *_: fail(OSError(number, os.strerror(number))))
        with pytest.raises(error):
            await depot.put_part(artifact, "a", CONTENT, HALF, SIZE)

    assert await depot.probe(artifact, "a") == Progress(received, complete=False)
    assert list(depot.spooled().values()) == ([received] if received else [])
    await finish(depot, artifact)


async def test_no_upload_may_take_the_last_space(database: Database, tmp_path: Path) -> None:
    depot = await new_depot(database, tmp_path, evolve(LIMITS, free_space=1 << 60))
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(SpaceLow):
        await depot.put(artifact, "a", CONTENT)

    assert depot.spooled() == {}


@pytest.mark.parametrize("happened", [False, True])
async def test_an_offset_of_which_nobody_knows_whether_it_was_committed_is_asked_of_the_database(
    depot: Depot, happened: bool
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, HALF)
    plans = depot.database.after if happened else depot.database.before
    plans["advance"] = lambda: fail(DatabaseUnreachable("lost in the middle"))

    with pytest.raises(DatabaseUnreachable):
        await depot.put_part(artifact, "a", CONTENT, HALF, SIZE - 1)
    plans.clear()

    assert await depot.probe(artifact, "a") == Progress(SIZE - 1 if happened else HALF, complete=False)
    await finish(depot, artifact)


@pytest.mark.parametrize("happened", [False, True])
@pytest.mark.parametrize("begun", [0, HALF])
async def test_a_completion_of_which_nobody_knows_whether_it_was_committed_is_asked_of_the_database(
    depot: Depot, begun: int, happened: bool
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    plans = depot.database.after if happened else depot.database.before
    plans["complete"] = lambda: fail(DatabaseUnreachable("lost in the middle"))

    with pytest.raises(DatabaseUnreachable):
        await depot.put_part(artifact, "a", CONTENT, begun, SIZE)
    plans.clear()

    assert (await depot.probe(artifact, "a")).complete is happened
    await finish(depot, artifact)


async def test_a_copy_whose_row_was_surely_refused_does_not_stay(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    depot.database.before["complete"] = lambda: fail(Conflict("somebody was faster"))

    with pytest.raises(Conflict):
        await depot.put(artifact, "a", CONTENT)

    assert (depot.spooled(), await depot.objects()) == ({}, [])


@pytest.mark.parametrize("begun", [0, HALF])
async def test_a_request_that_is_cancelled_while_a_thread_writes_leaves_what_was_committed(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, begun: int
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    writing = slow_down(monkeypatch)
    sending = asyncio.create_task(depot.put_part(artifact, "a", CONTENT, begun, SIZE))
    while not writing:
        await asyncio.sleep(0.001)
    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending

    assert list(depot.spooled().values()) == ([begun] if begun else [])
    await finish(depot, artifact)


async def test_a_request_that_is_cancelled_while_its_offset_is_committed_keeps_its_turn_until_it_is(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    go_on, write = asyncio.Event(), depot.database.real.write

    async def write_later(*args: Any) -> Any:
        depot.still.set()
        await go_on.wait()
        return await write(*args)

    # As in a queue: who waits may be cancelled, the transaction cannot.
    monkeypatch.setattr(
        depot.database.real, "write", lambda *args: asyncio.shield(asyncio.ensure_future(write_later(*args)))
    )
    cancelled = asyncio.create_task(depot.put_part(artifact, "a", CONTENT, 0, HALF))
    await depot.still.wait()
    cancelled.cancel()
    newer = asyncio.create_task(depot.put_part(artifact, "a", CONTENT, 0, SIZE - 1))
    await until_requests(depot.uploads.turns, 2)
    go_on.set()

    assert await newer == Progress(SIZE - 1, complete=False)
    assert cancelled.cancelled()
    await finish(depot, artifact)


async def test_leftovers_of_a_crash_are_dropped_and_uploads_that_count_are_not(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, HALF)
    (depot.uploads.spool.directory / "left").write_bytes(b"behind")

    await depot.uploads.prepare()

    assert list(depot.spooled().values()) == [HALF]


async def finish(depot: Depot, artifact: int) -> None:
    """Go on as a client does: from where the server says that it is."""
    received = (await depot.probe(artifact, "a")).received
    if received < SIZE:
        assert (await depot.put_part(artifact, "a", CONTENT, received, SIZE)).complete
    assert await depot.fetch(artifact, "a") == CONTENT


async def abandoned(depot: Depot, request: Coroutine[Any, Any, Progress]) -> None:
    """Let a request run until it stands still, and leave it there."""
    ABANDONED.append((depot, asyncio.create_task(request)))
    async with asyncio.timeout(PATIENCE):
        await depot.still.wait()


#: Kept until the end, so that their clean-up does not run when a test looks.
ABANDONED: list[tuple[Depot, asyncio.Task[Any]]] = []


@pytest.fixture(autouse=True)
async def _let_go() -> AsyncIterator[None]:
    yield
    for depot, task in ABANDONED:
        task.cancel()
        depot.over.set()
    await asyncio.gather(*(task for _, task in ABANDONED), return_exceptions=True)
    ABANDONED.clear()


async def hanging(depot: Depot, content: bytes) -> AsyncIterator[bytes]:
    """A client that sends these bytes, and then nothing."""
    async for chunk in sent(content):
        yield chunk
        await asyncio.sleep(0.001)
    await depot.stand_still()


def fail(error: Exception) -> None:
    """Raise, where only an expression fits."""
    raise error


def slow_down(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make writing take a while; the list says when it has begun."""
    begun: list[int] = []
    pwrite = os.pwrite

    def slowly(descriptor: int, data: Any, offset: int) -> int:
        begun.append(offset)
        time.sleep(0.002)
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", slowly)
    return begun
