"""Files come in whole or chunk by chunk, and an offset that was told is on disk."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.domain.errors import Invalid
from debusine.services.bodies import BLOCK
from debusine.services.partial_files import PartialFile
from debusine.services.receptions import PartLost, Progress, WrongContent
from debusine.services.spans import ChunkTooLarge, Gap, PastTheEnd, WrongLength, WrongSize
from debusine.services.turns import Overtaken, Turn
from debusine.services.upload_records import FileGone, TooManyUploads
from tests.depot import LIMITS, PATIENCE, Depot, new_depot, sent, until_requests

CONTENT = bytes(range(256)) * 1200  # 300 KiB
SIZE = len(CONTENT)
THIRD = SIZE // 3


async def test_a_whole_file_in_one_request_is_complete_and_leaves_no_row_of_an_upload(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    assert await depot.put(artifact, "a", CONTENT) == Progress(SIZE, complete=True)

    assert await depot.fetch(artifact, "a") == CONTENT
    assert "advance" not in depot.database.written
    assert depot.spooled() == {}


async def test_a_file_comes_in_chunks_and_each_answer_says_how_much_is_here(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert await depot.put_part(artifact, "a", CONTENT, 0, THIRD) == Progress(THIRD, complete=False)
    assert await depot.put_part(artifact, "a", CONTENT, THIRD, 2 * THIRD) == Progress(2 * THIRD, complete=False)
    assert await depot.probe(artifact, "a", SIZE) == Progress(2 * THIRD, complete=False)
    assert await depot.put_part(artifact, "a", CONTENT, 2 * THIRD, SIZE) == Progress(SIZE, complete=True)

    assert await depot.probe(artifact, "a") == Progress(SIZE, complete=True)
    assert await depot.fetch(artifact, "a") == CONTENT
    assert depot.spooled() == {}


async def test_bytes_that_are_here_already_are_read_and_dropped(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, 2 * THIRD)

    assert await depot.put_part(artifact, "a", CONTENT, 0, THIRD) == Progress(2 * THIRD, complete=False)
    assert await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE) == Progress(SIZE, complete=True)

    assert await depot.fetch(artifact, "a") == CONTENT


async def test_a_whole_file_completes_an_upload_that_was_begun(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)

    assert (await depot.put(artifact, "a", CONTENT)).complete

    assert await depot.fetch(artifact, "a") == CONTENT
    assert depot.spooled() == {}


async def test_what_overlaps_is_not_written_again(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    forged = b"x" * THIRD + CONTENT[THIRD:]

    await depot.put(artifact, "a", forged, (0, SIZE, SIZE))

    assert await depot.fetch(artifact, "a") == CONTENT


@pytest.mark.parametrize(
    ("span", "length", "error"),
    [
        ((THIRD + 1, SIZE, SIZE), None, Gap),
        ((THIRD, SIZE, SIZE + 1), None, WrongSize),
        ((THIRD, SIZE + 1, None), None, PastTheEnd),
        ((THIRD, SIZE - 1, SIZE), None, WrongLength),  # the body is longer
        ((THIRD, SIZE, SIZE), SIZE - THIRD + 1, WrongLength),  # the header contradicts the length
    ],
)
async def test_a_chunk_that_is_wrong_changes_nothing(
    depot: Depot, span: tuple[int, int, int], length: int | None, error: type[Exception]
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)

    with pytest.raises(error):
        await depot.put(artifact, "a", CONTENT[THIRD:], span, length=length)

    assert await depot.probe(artifact, "a") == Progress(THIRD, complete=False)
    assert list(depot.spooled().values()) == [THIRD]


async def test_a_probe_with_another_size_is_refused(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(WrongSize):
        await depot.probe(artifact, "a", SIZE - 1)


async def test_a_body_that_ends_early_is_cut_back_to_what_was_committed(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)

    with pytest.raises(WrongLength):
        await depot.put(artifact, "a", CONTENT[THIRD:-1], (THIRD, SIZE, SIZE))

    assert list(depot.spooled().values()) == [THIRD]
    assert (await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)).complete
    assert await depot.fetch(artifact, "a") == CONTENT


@pytest.mark.parametrize("begun", [0, THIRD])
async def test_a_client_that_vanishes_in_the_middle_leaves_what_was_committed(depot: Depot, begun: int) -> None:
    content = os.urandom(3 * BLOCK)
    artifact = await depot.declare({"a": content})
    if begun:
        await depot.put_part(artifact, "a", content, 0, begun)

    with pytest.raises(ConnectionResetError):
        await depot.put(artifact, "a", vanishing(content[begun:-1]), (begun, len(content), len(content)))

    assert list(depot.spooled().values()) == ([begun] if begun else [])
    assert await depot.probe(artifact, "a") == Progress(begun, complete=False)


async def test_a_whole_file_that_breaks_off_leaves_nothing(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(ConnectionResetError):
        await depot.put(artifact, "a", vanishing(CONTENT[:-1]))

    assert depot.spooled() == {}
    assert await depot.objects() == []


@pytest.mark.parametrize("begun", [0, THIRD])
async def test_a_wrong_hash_is_told_and_nothing_is_kept(depot: Depot, begun: int) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    wrong = CONTENT[:-1] + b"?"

    with pytest.raises(WrongContent):
        await depot.put(artifact, "a", wrong[begun:], (begun, SIZE, SIZE))

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert (depot.spooled(), await depot.objects()) == ({}, [])
    assert (await depot.put(artifact, "a", CONTENT)).complete


async def test_repeating_the_last_call_repeats_the_answer(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    last = await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)

    assert await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE) == last
    assert await depot.put(artifact, "a", CONTENT) == last
    assert len(await depot.objects()) == 1


async def test_chunks_larger_than_the_limit_are_refused(database: Database, tmp_path: Path) -> None:
    depot = await new_depot(database, tmp_path, evolve(LIMITS, chunk=SIZE - 1))
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(ChunkTooLarge):
        await depot.put(artifact, "a", CONTENT)
    with pytest.raises(ChunkTooLarge):
        await depot.put_part(artifact, "a", CONTENT, 0, SIZE)

    await depot.put_part(artifact, "a", CONTENT, 0, SIZE - 1)
    assert (await depot.put_part(artifact, "a", CONTENT, SIZE - 1, SIZE)).complete


async def test_a_newer_request_takes_over_and_the_older_one_is_told(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    stalled = asyncio.create_task(depot.put(artifact, "a", stalling(b"x" * THIRD), (THIRD, 2 * THIRD, SIZE)))
    await until_requests(depot.uploads.turns, 1)

    async with asyncio.timeout(PATIENCE):
        assert (await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)).complete

    with pytest.raises(Overtaken):
        await stalled
    assert await depot.fetch(artifact, "a") == CONTENT


async def test_two_newer_requests_at_once_are_as_good_as_one() -> None:
    reading = Turn()
    read = asyncio.create_task(reading.unless_overtaken(asyncio.Event().wait))
    await asyncio.sleep(0)

    reading.give_way()
    await asyncio.sleep(0)
    reading.give_way()

    with pytest.raises(Overtaken):
        await read


async def test_of_many_writers_one_wins_and_their_bytes_never_mix(depot: Depot) -> None:
    content = os.urandom(4 * BLOCK)
    artifact = await depot.declare({"a": content})

    results = await asyncio.gather(
        *(depot.put(artifact, "a", slowly(content)) for _ in range(8)), return_exceptions=True
    )

    assert {type(result) for result in results} == {Progress, Overtaken}
    assert await depot.fetch(artifact, "a") == content
    assert (depot.spooled(), await depot.objects()) == ({}, [len(content)])


async def test_a_request_that_is_overtaken_while_it_waits_does_not_write(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    storing, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        storing.set()
        await go_on.wait()

    depot.backend.before = wait
    first = asyncio.create_task(depot.put(artifact, "a", CONTENT))
    await storing.wait()
    others = []
    for waiting in (2, 3):
        others.append(asyncio.create_task(depot.put(artifact, "a", CONTENT)))
        await until_requests(depot.uploads.turns, waiting)
    go_on.set()

    results = await asyncio.gather(first, *others, return_exceptions=True)

    assert [type(result) for result in results] == [Progress, Overtaken, Progress]
    assert depot.backend.stored == 1


async def test_one_content_under_two_artifacts_at_once_is_stored_once(depot: Depot) -> None:
    one, two = await depot.declare({"a": CONTENT}), await depot.declare({"b": CONTENT})
    met = asyncio.Barrier(2)
    depot.backend.after = met.wait

    await asyncio.gather(depot.put(one, "a", CONTENT), depot.put(two, "b", CONTENT))

    assert [await depot.fetch(one, "a"), await depot.fetch(two, "b")] == [CONTENT, CONTENT]
    assert (depot.backend.stored, await depot.objects()) == (2, [SIZE])


async def test_content_that_became_complete_elsewhere_meanwhile_is_not_stored_again(depot: Depot) -> None:
    one, two = await depot.declare({"a": CONTENT}), await depot.declare({"b": CONTENT})
    await depot.put_part(two, "b", CONTENT, 0, THIRD)
    await depot.put(one, "a", CONTENT)

    assert (await depot.probe(two, "b")) == Progress(THIRD, complete=False)
    assert (await depot.put_part(two, "b", CONTENT, THIRD, SIZE)).complete

    assert depot.backend.stored == 1
    assert await depot.fetch(two, "b") == CONTENT


async def test_the_running_hash_stays_in_memory_between_two_chunks(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    monkeypatch.delattr(PartialFile, "_compute")
    with pytest.raises(WrongLength):
        await depot.put(artifact, "a", b"?" * (THIRD - 1), (THIRD, 2 * THIRD, SIZE))

    assert (await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)).complete


async def test_the_bytes_are_on_the_disk_before_the_offset_is_committed(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await depot.declare({"a": CONTENT})
    happened: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: happened.append("bytes"))
    monkeypatch.setattr(os, "fsync", lambda _: happened.append("name"))
    depot.database.before["advance"] = lambda: happened.append("offset")

    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    await depot.put_part(artifact, "a", CONTENT, THIRD, 2 * THIRD)

    assert happened == ["bytes", "name", "offset", "bytes", "offset"]


async def test_the_disk_begins_to_write_while_more_of_a_chunk_comes(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3 * BLOCK)
    artifact = await depot.declare({"a": content})
    happened: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, advice: happened.append((start, size)))
    monkeypatch.setattr(os, "fdatasync", lambda _: happened.append((0, 0)))

    await depot.put_part(artifact, "a", content, 0, 2 * BLOCK)

    assert happened == [(0, BLOCK), (BLOCK, BLOCK), (0, 0)]


async def test_a_file_is_never_held_whole_in_memory(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(16 * BLOCK)
    artifact = await depot.declare({"a": content})
    written, ahead = 0, []
    write = PartialFile.write

    def count(self: PartialFile, parts: list[bytes]) -> None:
        nonlocal written
        write(self, parts)
        written = self.written

    monkeypatch.setattr(PartialFile, "write", count)

    async def watched() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1 << 16):
            ahead.append(start - written)
            yield content[start : start + (1 << 16)]

    await depot.put(artifact, "a", watched())

    assert max(ahead) <= 3 * BLOCK


async def test_bytes_that_vanished_from_the_disk_are_asked_for_again(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)
    next(depot.uploads.spool.directory.iterdir()).unlink()

    with pytest.raises(PartLost):
        await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    assert (await depot.put(artifact, "a", CONTENT)).complete


async def test_a_user_may_not_begin_more_uploads_than_the_limit(database: Database, tmp_path: Path) -> None:
    depot = await new_depot(database, tmp_path, evolve(LIMITS, open_uploads=1))
    artifact = await depot.declare({"a": CONTENT, "b": CONTENT[::-1]})
    await depot.put_part(artifact, "a", CONTENT, 0, THIRD)

    with pytest.raises(TooManyUploads):
        await depot.put_part(artifact, "b", CONTENT[::-1], 0, THIRD)

    assert len(depot.spooled()) == 1
    await depot.put_part(artifact, "a", CONTENT, THIRD, SIZE)
    await depot.put_part(artifact, "b", CONTENT[::-1], 0, THIRD)


@pytest.mark.parametrize("begun", [0, THIRD])
async def test_a_file_whose_artifact_is_deleted_meanwhile_leaves_nothing(depot: Depot, begun: int) -> None:
    artifact = await depot.declare({"a": CONTENT})
    if begun:
        await depot.put_part(artifact, "a", CONTENT, 0, begun)
    depot.backend.after = lambda: depot.database.write(lambda uow: uow.artifacts.delete(artifact))

    with pytest.raises(FileGone):
        await depot.put_part(artifact, "a", CONTENT, begun, SIZE)

    assert await depot.objects() == []


async def test_an_empty_chunk_is_refused(depot: Depot) -> None:
    artifact = await depot.declare({"a": CONTENT})

    with pytest.raises(Invalid):
        await depot.put(artifact, "a", b"")


async def test_the_hash_is_that_of_the_whole_file_also_when_it_comes_in_odd_pieces(depot: Depot) -> None:
    content = os.urandom(3 * BLOCK + 7)
    artifact = await depot.declare({"a": content})
    for start in range(0, len(content), 999_983):
        stop = min(start + 999_983, len(content))
        await depot.put(artifact, "a", sent(content[start:stop], 1_237), (start, stop, len(content)))

    assert hashlib.sha256(await depot.fetch(artifact, "a")).digest() == hashlib.sha256(content).digest()


async def vanishing(content: bytes) -> AsyncIterator[bytes]:
    """A client that is gone after these bytes."""
    async for chunk in sent(content):
        yield chunk
        await asyncio.sleep(0)
    raise ConnectionResetError


async def stalling(content: bytes) -> AsyncIterator[bytes]:
    """A client that sends one byte less than it should, and then nothing, for ever."""
    yield content[:-1]
    await asyncio.Event().wait()


async def slowly(content: bytes) -> AsyncIterator[bytes]:
    """A client that lets others go first."""
    async for chunk in sent(content):
        await asyncio.sleep(0.001)
        yield chunk
