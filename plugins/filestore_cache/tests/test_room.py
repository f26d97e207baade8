"""How much there may be, what goes first, and what a crash leaves."""

import asyncio
import os

import pytest

from tests import cache_rig
from tests.cache_rig import SIZE, Rig, read

rig = cache_rig.rig


async def test_what_was_not_used_for_longest_goes_first(rig: Rig) -> None:
    cache = await rig.cache(max_bytes=3 * SIZE)
    objects = [await rig.behind_only() for _ in range(4)]
    for source, data in objects[:3]:
        await read(cache, source, data)
    await read(cache, *objects[0])
    assert cache.local_path(objects[1][0].file, objects[1][1]) is not None
    await asyncio.gather(*[task for task in asyncio.all_tasks() if task.get_name() == "debusine-cache uses"])

    await read(cache, *objects[3])

    assert cache.local_path(objects[2][0].file, objects[2][1]) is None
    there = [cache.local_path(source.file, data) is not None for source, data in objects]
    assert there == [True, True, False, True]
    assert rig.is_in_order()


async def test_a_use_in_one_process_counts_for_all(rig: Rig) -> None:
    one, other = await rig.cache(max_bytes=2 * SIZE), await rig.cache(max_bytes=2 * SIZE)
    first, second, third = [await rig.behind_only() for _ in range(3)]
    for source, data in (first, second):
        await read(one, source, data)
    await read(other, *first)

    await read(one, *third)
    before = rig.behind.opened[first[1]["key"]]
    await read(one, *first)

    assert rig.behind.opened[first[1]["key"]] == before == 1


async def test_there_is_never_more_than_allowed_while_many_read(rig: Rig) -> None:
    caches = [await rig.cache(max_bytes=5 * SIZE) for _ in range(2)]
    objects = [await rig.behind_only(SIZE // 4 * (number % 7 + 1)) for number in range(30)]
    most = 0

    async def reader(number: int) -> None:
        nonlocal most
        for step in range(30):
            source, data = objects[(number * 7 + step * (number + 1)) % len(objects)]
            async with caches[number % 2].open(source.file, data) as chunks:
                got = b""
                async for chunk in chunks:
                    got += chunk
                    most = max(most, rig.bytes)
            assert got == source.content

    await asyncio.gather(*(reader(number) for number in range(8)))

    assert most <= 5 * SIZE
    assert rig.is_in_order()


async def test_what_is_larger_than_all_the_room_is_passed_on(rig: Rig) -> None:
    cache = await rig.cache(max_bytes=SIZE - 1)
    source, data = await rig.behind_only()

    assert await read(cache, source, data) == source.content
    assert await read(cache, source, await cache.store(source.file, source.path)) == source.content
    assert rig.copies == []


async def test_what_a_crash_left_is_cleared_and_what_lives_is_not(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    left = rig.root / "cache/filling/left"
    left.write_bytes(bytes(1000))

    async with cache.open(source.file, data) as chunks:
        got = [await anext(chunks)]
        assert await cache.tidy([]) == 1
        await rig.cache()
        got += [chunk async for chunk in chunks]

    assert b"".join(got) == source.content
    assert not left.exists()
    assert len(rig.copies) == 1
    assert rig.is_in_order()


@pytest.mark.parametrize("text", ["", "garbage", "99999999999999999999\n"])
async def test_a_count_that_is_lost_or_wrong_is_made_anew(rig: Rig, text: str) -> None:
    cache = await rig.cache(max_bytes=3 * SIZE)
    first, second = await rig.behind_only(), await rig.behind_only()
    await read(cache, *first)
    (rig.root / "cache/lock").write_text(text)

    await read(cache, *second)

    assert len(rig.copies) == 2
    assert rig.is_in_order()


async def test_a_lower_limit_holds_from_the_start(rig: Rig) -> None:
    cache = await rig.cache()
    for _ in range(5):
        await read(cache, *await rig.behind_only())

    await rig.cache(max_bytes=2 * SIZE)

    assert len(rig.copies) == 2
    assert rig.is_in_order()


async def test_when_others_need_all_the_room_nothing_is_evicted_for_nothing(rig: Rig) -> None:
    cache = await rig.cache(max_bytes=3 * SIZE)
    small, large, larger = [await rig.behind_only(size) for size in (SIZE // 2, 2 * SIZE, 2 * SIZE)]
    await read(cache, *small)

    async with cache.open(large[0].file, large[1]) as chunks:
        await anext(chunks)
        assert await read(cache, *larger) == larger[0].content

    assert len(rig.copies) == 1
    assert rig.is_in_order()


async def test_uses_that_are_not_written_down_yet_are_when_it_closes(rig: Rig) -> None:
    cache = await rig.cache()
    source, data = await rig.behind_only()
    await read(cache, source, data)
    os.utime(rig.copies[0], ns=(0, rig.copies[0].stat().st_mtime_ns))

    cache.local_path(source.file, data)
    await cache.aclose()

    assert rig.copies[0].stat().st_atime_ns > 0
