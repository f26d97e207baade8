"""A small file that comes whole is taken in one hop to a thread, and is as safe as a large one."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.engine import DatabaseUnreachable
from debusine.domain.errors import Conflict, StorageFull, Unavailable
from debusine.domain.files import File
from debusine.plugin import StoreData, WriteFailed
from debusine.services.receptions import Progress, WrongContent
from debusine.services.spans import WrongLength
from debusine.services.spool import SpaceLow
from debusine.services.spooled_receptions import SMALL
from debusine.services.turns import Overtaken
from debusine.services.upload_records import FileGone
from tests.depot import LIMITS, Depot, new_depot, sent, until_requests

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
DONE = Progress(SIZE, complete=True)


@pytest.mark.parametrize("size", [1, SMALL, SMALL + 1])
async def test_small_and_larger_files_come_back_as_they_were_sent(depot: Depot, size: int) -> None:
    content = os.urandom(size)
    artifact = await depot.declare({"a": content})

    assert await depot.put(artifact, "a", sent(content, 1000)) == Progress(size, complete=True)

    assert await depot.fetch(artifact, "a") == content
    assert (depot.spooled(), await depot.objects()) == ({}, [size])


async def test_a_small_file_never_touches_the_spool(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = await depot.declare({"a": CONTENT})
    monkeypatch.delattr("debusine.services.spool.Spool.begin")

    assert await depot.put(artifact, "a", CONTENT) == DONE


async def test_bytes_and_name_are_on_the_disk_before_the_file_is_complete(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    happened: list[str] = []
    note_calls(monkeypatch, happened, "fsync", "rename")
    depot.database.before["complete"] = lambda: happened.append("complete")

    await depot.put(artifact, "a", CONTENT)

    # The second is of the directory's own name, which is new.
    assert happened == ["fsync", "fsync", "rename", "fsync", "complete"]


async def test_hashing_and_writing_leave_the_loop_alone(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = await depot.declare({"a": CONTENT})
    threads: list[threading.Thread] = []
    holds = File.holds

    def noted(file: File, content: bytes) -> bool:
        threads.append(threading.current_thread())
        return holds(file, content)

    monkeypatch.setattr(File, "holds", noted)
    note_stores(depot, monkeypatch, lambda: threads.append(threading.current_thread()))

    await depot.put(artifact, "a", CONTENT)

    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_a_wrong_hash_is_told_and_nothing_is_kept(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(WrongContent):
        await depot.put(artifact, "a", CONTENT[::-1])

    assert await depot.objects() == []
    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert await depot.put(artifact, "a", CONTENT) == DONE


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"?"])
async def test_a_body_of_another_length_changes_nothing(depot: Depot, content: bytes) -> None:
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(WrongLength):
        await depot.put(artifact, "a", content, (0, SIZE, SIZE))

    assert await depot.objects() == []


async def test_a_client_that_vanishes_leaves_nothing(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    async def vanishing() -> AsyncIterator[bytes]:
        yield CONTENT[:-1]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await depot.put(artifact, "a", vanishing())

    assert await depot.objects() == []


async def test_a_small_file_that_was_begun_in_chunks_goes_on_in_the_spool(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, 100)

    assert await depot.put(artifact, "a", CONTENT) == DONE

    assert (depot.spooled(), await depot.objects()) == ({}, [SIZE])


async def test_content_that_the_store_has_is_not_stored_again(depot: Depot) -> None:
    one, two = await depot.declare({"a": CONTENT}), await depot.declare({"b": CONTENT})
    await depot.put(one, "a", CONTENT)

    with pytest.raises(WrongContent):
        await depot.put(two, "b", CONTENT[::-1])
    assert await depot.put(two, "b", CONTENT) == DONE

    assert await depot.objects() == [SIZE]


async def test_one_content_under_two_artifacts_at_once_is_kept_once(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await depot.declare({"a": CONTENT}), await depot.declare({"b": CONTENT})
    met = threading.Barrier(2)
    note_stores(depot, monkeypatch, lambda: met.wait(30))

    await asyncio.gather(depot.put(one, "a", CONTENT), depot.put(two, "b", CONTENT))

    assert [await depot.fetch(one, "a"), await depot.fetch(two, "b")] == [CONTENT, CONTENT]
    assert await depot.objects() == [SIZE]


async def test_a_store_that_takes_no_content_is_given_a_file(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = await depot.declare({"a": CONTENT})
    monkeypatch.setattr(type(depot.backend), "takes_content", False)

    assert await depot.put(artifact, "a", CONTENT) == DONE

    assert depot.backend.stored == 1
    assert depot.spooled() == {}


@pytest.mark.parametrize("error", [StorageFull("full"), Unavailable("away"), WriteFailed("it", "I/O error")])
async def test_a_store_that_fails_costs_one_request_and_is_remembered(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    (name,) = depot.stores
    with monkeypatch.context() as broken:
        note_stores(depot, broken, lambda: fail(error))
        with pytest.raises(type(error)):
            await depot.put(artifact, "a", CONTENT)

    assert depot.stores.health[name] == str(error)
    assert await depot.put(artifact, "a", CONTENT) == DONE
    assert (depot.stores.health[name] == "ok") is not isinstance(error, WriteFailed)


async def test_no_small_file_may_take_the_last_space(database: Database, tmp_path: Path) -> None:
    depot = await new_depot(database, tmp_path, evolve(LIMITS, free_space=1 << 60))
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(SpaceLow):
        await depot.put(artifact, "a", CONTENT)

    assert await depot.objects() == []


async def test_a_copy_whose_row_was_surely_refused_does_not_stay(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    depot.database.before["complete"] = lambda: fail(Conflict("somebody was faster"))

    with pytest.raises(Conflict):
        await depot.put(artifact, "a", CONTENT)

    assert await depot.objects() == []


async def test_a_file_whose_artifact_is_deleted_meanwhile_leaves_nothing(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    depot.database.before["complete"] = lambda: depot.database.real.write(lambda uow: uow.artifacts.delete(artifact))

    with pytest.raises(FileGone):
        await depot.put(artifact, "a", CONTENT)

    assert await depot.objects() == []


@pytest.mark.parametrize("happened", [False, True])
async def test_a_completion_of_which_nobody_knows_is_asked_of_the_database(depot: Depot, happened: bool) -> None:
    artifact = await depot.declare({"a": CONTENT})
    plans = depot.database.after if happened else depot.database.before
    plans["complete"] = lambda: fail(DatabaseUnreachable("lost in the middle"))

    with pytest.raises(DatabaseUnreachable):
        await depot.put(artifact, "a", CONTENT)
    plans.clear()

    assert (await depot.probe(artifact, "a")).complete is happened
    assert await depot.put(artifact, "a", CONTENT) == DONE
    assert await depot.fetch(artifact, "a") == CONTENT


async def test_a_request_that_is_cancelled_while_a_thread_writes_leaves_nothing(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    writing, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        writing.set()
        go_on.wait(30)

    note_stores(depot, monkeypatch, wait)
    sending = asyncio.create_task(depot.put(artifact, "a", CONTENT))
    while not writing.is_set():
        await asyncio.sleep(0.001)
    sending.cancel()
    await asyncio.sleep(0)
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await sending

    assert await depot.objects() == []


async def test_a_newer_request_takes_over_and_the_older_one_is_told(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    async def stalling() -> AsyncIterator[bytes]:
        yield CONTENT[:-1]
        await asyncio.Event().wait()

    stalled = asyncio.create_task(depot.put(artifact, "a", stalling()))
    await until_requests(depot.uploads.turns, 1)

    assert await depot.put(artifact, "a", CONTENT) == DONE

    with pytest.raises(Overtaken):
        await stalled


def note_calls(monkeypatch: pytest.MonkeyPatch, happened: list[str], *names: str) -> None:
    """Write down each call of some functions of the operating system."""
    for name in names:
        real = getattr(os, name)

        def noted(*args: Any, real: Any = real, name: str = name, **kwargs: Any) -> Any:
            happened.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, noted)


def note_stores(depot: Depot, monkeypatch: pytest.MonkeyPatch, plan: Callable[[], object]) -> None:
    """Do something before a small file is stored, in the thread that stores it."""
    store_content = depot.backend.store_content

    def noted(file: File, content: bytes) -> StoreData:
        plan()
        return store_content(file, content)

    monkeypatch.setattr(depot.backend, "store_content", noted)


def fail(error: Exception) -> None:
    """Raise, where only an expression fits."""
    raise error
