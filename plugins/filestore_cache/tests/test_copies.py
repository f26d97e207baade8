"""What is copied and when, and that a copy goes with its object."""

import asyncio
import errno
import os
from typing import Any

import pytest

from debusine.plugin import FileMissing
from tests import cache_rig
from tests.cache_rig import SIZE, Rig, read

rig = cache_rig.rig


async def test_what_was_read_is_read_from_the_copy_the_next_time(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    assert [await read(cache, source, data) for _ in range(3)] == [source.content] * 3
    assert rig.behind.opened[data["key"]] == 1
    assert rig.is_in_order()


async def test_a_copy_outlives_the_process(rig: Rig) -> None:
    source, data = await rig.behind_only()
    await read(await rig.cache(), source, data)

    later = await rig.cache()

    assert later.local_path(source.file, data) is None
    assert await read(later, source, data, 10, 20) == source.content[10:30]
    assert later.local_path(source.file, data) == rig.copies[0]
    assert rig.behind.opened[data["key"]] == 1


async def test_one_reader_makes_the_copy_and_nobody_waits_for_it(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    async with cache.open(source.file, data) as slow:
        first = await anext(slow)
        async with cache.open(source.file, data) as other:
            got = [await anext(other)]
            assert len(rig.fillings) == 1
            got += [chunk async for chunk in other]
        assert b"".join(got) == source.content
        rest = [chunk async for chunk in slow]

    assert b"".join([first, *rest]) == source.content
    assert rig.behind.opened[data["key"]] == 2
    assert len(rig.copies) == 1


async def test_a_reader_that_leaves_early_leaves_nothing(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    async with cache.open(source.file, data) as chunks:
        await anext(chunks)

    assert rig.copies == []
    assert rig.is_in_order()


async def test_a_reader_that_asks_for_nothing_after_the_last_byte_has_made_a_copy(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    async with cache.open(source.file, data) as chunks:
        count = 0
        while count < SIZE:
            count += len(await anext(chunks))

    assert len(rig.copies) == 1


async def test_a_part_makes_no_copy_and_comes_from_one_that_is_there(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    assert await read(cache, source, data, 5, 10) == source.content[5:15]
    assert rig.copies == []
    assert await read(cache, source, data, 0, SIZE + 7) == source.content
    assert await read(cache, source, data, 5, 10) == source.content[5:15]
    assert rig.behind.opened[data["key"]] == 2


async def test_an_object_that_is_removed_while_it_is_read_leaves_no_copy(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()

    async with cache.open(source.file, data) as chunks:
        got = [await anext(chunks)]
        await cache.remove(source.file, data)
        got += [chunk async for chunk in chunks]

    assert b"".join(got) == source.content
    assert rig.copies == []
    assert rig.is_in_order()
    with pytest.raises(FileMissing):
        await read(cache, source, data)


async def test_a_removal_by_another_process_is_seen(rig: Rig) -> None:
    one, other = await rig.cache(), await rig.cache()
    source, data = await rig.behind_only()
    await read(one, source, data)

    await other.remove(source.file, data)

    with pytest.raises(FileMissing):
        await read(one, source, data)
    assert one.local_path(source.file, data) is None


async def test_the_same_content_stored_twice_has_two_copies(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    twin = await rig.behind.store(source.file, source.path)
    for one in (data, twin):
        await read(cache, source, one)

    await cache.remove(source.file, data)

    assert len(rig.copies) == 1
    assert await read(cache, source, twin) == source.content


async def test_what_is_stored_is_a_copy_at_once_by_a_link(rig: Rig) -> None:
    cache = await rig.cache()
    source = rig.sources.of_size(SIZE)

    data = await cache.store(source.file, source.path)

    assert rig.copies[0].samefile(source.path)
    assert await read(cache, source, data) == source.content
    assert rig.behind.opened[data["key"]] == 0
    assert rig.is_in_order()


async def test_where_no_link_is_possible_storing_makes_no_copy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await rig.cache()
    source = rig.sources.of_size(SIZE)

    def no_link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)

    data = await cache.store(source.file, source.path)

    assert rig.copies == []
    assert caplog.messages == []
    assert await read(cache, source, data) == source.content
    assert rig.is_in_order()


async def test_a_storing_that_is_cancelled_while_it_links_is_taken_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await rig.cache()
    source = rig.sources.of_size(SIZE)
    linking, link, loop = asyncio.Event(), os.link, asyncio.get_running_loop()

    def slow_link(*arguments: Any) -> None:
        loop.call_soon_threadsafe(linking.set)
        link(*arguments)

    monkeypatch.setattr(os, "link", slow_link)
    task = asyncio.create_task(cache.store(source.file, source.path))
    await linking.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.behind.objects == {}
    assert rig.copies == []


async def test_a_url_of_the_store_behind_is_given_only_without_a_copy(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    headers = {"content_disposition": "attachment", "content_type": "text/plain"}

    assert await cache.download_url(source.file, data, **headers) == f"https://objects.example.org/{data['key']}"
    await read(cache, source, data)
    assert await cache.download_url(source.file, data, **headers) is None
