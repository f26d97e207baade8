"""Neither a damaged copy nor a bad disk is ever seen by a reader."""

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_cache import directory as directories
from debusine_filestore_cache.copies import BLOCK

from debusine.plugin import ConfigurationError, Damaged, Grade, Unavailable
from tests import cache_rig
from tests.cache_rig import SIZE, Rig, read

rig = cache_rig.rig


def failing(number: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return call


class Failing:
    """A module of which one function fails."""

    def __init__(self, module: Any, name: str) -> None:
        self._module, self._name = module, name

    def __getattr__(self, name: str) -> Any:
        return failing(errno.ENOSPC) if name == self._name else getattr(self._module, name)


@pytest.mark.parametrize("anew", [True, False], ids=["another process", "the process that made it"])
@pytest.mark.parametrize(
    "damage",
    [lambda content: b"\0" + content[1:], lambda content: content[:-1], lambda content: content + b"\0", lambda _: b""],
    ids=["other bytes", "shorter", "longer", "empty"],
)
async def test_a_damaged_copy_is_read_anew_from_behind(rig: Rig, damage: Callable[[bytes], bytes], anew: bool) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    await read(cache, source, data)
    rig.copies[0].write_bytes(damage(source.content))

    cache = await rig.cache() if anew else cache

    assert [await read(cache, source, data) for _ in range(2)] == [source.content] * 2
    assert rig.copies[0].read_bytes() == source.content
    assert rig.behind.opened[data["key"]] == 2


async def test_a_copy_that_is_cut_while_it_is_read_is_read_on_from_behind(rig: Rig) -> None:
    cache = await rig.cache(max_bytes=10 * BLOCK)
    source, data = await rig.behind_only(3 * BLOCK)
    await read(cache, source, data)

    async with cache.open(source.file, data, 5) as chunks:
        got = [await anext(chunks)]
        os.truncate(rig.copies[0], BLOCK)
        got += [chunk async for chunk in chunks]

    assert b"".join(got) == source.content[5:]
    assert rig.copies == []


@pytest.mark.parametrize("call", ["write", "ftruncate", "pwrite", "open", "link", "utime"])
async def test_a_full_or_failing_disk_is_told_of_once_and_does_without(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    stored = rig.sources.of_size(SIZE)

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr(directories, "os", Failing(os, "open"))
        else:
            patch.setattr(os, call, failing(errno.ENOSPC))
        await asyncio.gather(*(cache.store(stored.file, stored.path) for _ in range(2)))
        got = [await read(cache, source, data) for _ in range(3)]

    assert got == [source.content] * 3
    assert len(caplog.messages) == 1
    assert "cannot be used just now, so files are read from the store behind: No space left" in caplog.messages[0]
    assert await read(cache, source, data) == source.content
    assert await cache.tidy([]) == 0
    assert rig.is_in_order()


async def test_a_disk_that_fails_while_a_copy_is_read_is_not_seen_by_the_reader(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await rig.cache(max_bytes=10 * BLOCK)
    source, data = await rig.behind_only(3 * BLOCK)
    await read(cache, source, data)

    async with cache.open(source.file, data, 10, 2 * BLOCK) as chunks:
        got = [await anext(chunks)]
        monkeypatch.setattr(os, "pread", failing(errno.EIO))
        got += [chunk async for chunk in chunks]

    assert b"".join(got) == source.content[10 : 10 + 2 * BLOCK]
    assert "Input/output error" in caplog.messages[0]


async def test_a_process_that_stands_still_stops_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(directories, "PATIENCE", 0.02)
    cache = await rig.cache()
    source, data = await rig.behind_only()

    with (rig.root / "cache/lock").open("r+") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        assert await read(cache, source, data) == source.content

    assert "another process has locked it" in caplog.messages[0]
    assert await read(cache, source, data) == source.content
    assert len(rig.copies) == 1


async def test_an_examination_tells_of_a_directory_that_cannot_be_used(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    await read(cache, source, data)

    good = [finding async for finding in cache.examine()]
    (rig.root / "cache/lock").unlink()
    (rig.root / "cache/lock").mkdir()
    bad = [finding async for finding in cache.examine()]

    assert [(finding.grade, finding.detail) for finding in good] == [(Grade.GOOD, "100000 of 1000000 bytes are used")]
    assert [finding.grade for finding in bad] == [Grade.LACKING]


async def test_a_directory_that_was_chosen_wrongly_stops_the_start(rig: Rig) -> None:
    (rig.root / "cache").write_text("a file")

    with pytest.raises(ConfigurationError, match=r"cache cannot keep a cache: Not a directory; make a directory that"):
        await rig.cache()


async def test_a_disk_that_fails_at_the_start_is_done_without(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Path, "mkdir", failing(errno.EROFS))
    cache = await rig.cache()
    source, data = await rig.behind_only()

    assert await read(cache, source, data) == source.content
    assert "Read-only file system" in caplog.messages[0]


async def test_wrong_bytes_from_behind_are_told_of_and_not_copied(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    _, found = rig.behind.objects[data["key"]]

    for wrong in (b"\0" + source.content[1:], source.content + b"\0"):
        rig.behind.objects[data["key"]] = (wrong, found)
        with pytest.raises(Damaged):
            await read(cache, source, data)

    rig.behind.objects[data["key"]] = (source.content[:-1], found)
    assert await read(cache, source, data) == source.content[:-1]
    assert rig.copies == []
    assert rig.is_in_order()


async def test_a_store_that_fails_while_it_is_read_leaves_no_copy(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    async with cache.open(source.file, data) as chunks:
        await anext(chunks)
        rig.behind.failures["chunk"] = Unavailable("The memory is away")
        with pytest.raises(Unavailable):
            await anext(chunks)

    assert rig.copies == []
    assert rig.is_in_order()
