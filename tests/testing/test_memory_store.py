"""What the store in memory does for tests: parts, and failing and waiting when it is told to."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from debusine.plugin import FileMissing, Invalid, PartsGone, StoreData, Unavailable
from debusine.testing import MemoryFileStore, MemoryOptions, Source, Sources


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Sources(tmp_path).of_size(2500)


@pytest.fixture
def store() -> MemoryFileStore:
    return MemoryFileStore(MemoryOptions(takes_parts=True))


async def parts_of(store: MemoryFileStore, source: Source, data: StoreData) -> list[StoreData]:
    starts = range(0, source.file.size, 1000)
    return [
        await store.store_part(source.file, data, number, source.path, start, min(1000, source.file.size - start))
        for number, start in enumerate(starts, start=1)
    ]


async def read(store: MemoryFileStore, source: Source, data: StoreData) -> bytes:
    async with store.open(source.file, data) as chunks:
        return b"".join([chunk async for chunk in chunks])


def test_what_it_takes_is_switched_by_options_class_or_object() -> None:
    class Both(MemoryFileStore):
        takes_parts = takes_content = True

    plain, chosen, both = MemoryFileStore(), MemoryFileStore(MemoryOptions(takes_content=True)), Both()

    assert (plain.takes_content, plain.takes_parts) == (False, False)
    assert (chosen.takes_content, chosen.takes_parts) == (True, False)
    assert (both.takes_content, both.takes_parts) == (True, True)


async def test_another_store_on_the_same_memory_finishes_what_one_began(store: MemoryFileStore, source: Source) -> None:
    other = MemoryFileStore(store.options, store.memory)

    data = await store.begin_parts(source.file)
    parts = await parts_of(other, source, data)

    assert other.shares_place_with(store)
    assert not other.shares_place_with(MemoryFileStore())
    assert await read(store, source, await other.finish_parts(source.file, data, parts)) == source.content


@pytest.mark.parametrize(("name", "limit"), [("smallest_part", 1001), ("largest_part", 999), ("most_parts", 2)])
async def test_parts_beyond_the_limits_are_refused(
    store: MemoryFileStore, source: Source, name: str, limit: int
) -> None:
    setattr(store, name, limit)
    data = await store.begin_parts(source.file)

    with pytest.raises(Invalid):
        await store.finish_parts(source.file, data, await parts_of(store, source, data))


async def test_a_part_that_was_replaced_is_gone(store: MemoryFileStore, source: Source) -> None:
    data = await store.begin_parts(source.file)
    parts = await parts_of(store, source, data)
    await store.store_part(source.file, data, 2, source.path, 0, 1000)

    with pytest.raises(PartsGone):
        await store.finish_parts(source.file, data, parts)


async def test_only_what_is_old_and_unknown_is_tidied_away(store: MemoryFileStore, source: Source) -> None:
    old, known, young = [await store.begin_parts(source.file) for _ in range(3)]
    for data in (old, known):
        begun = store.memory.begun[data["key"]]
        store.memory.begun[data["key"]] = evolve(begun, at=begun.at - timedelta(days=2))

    assert await store.tidy([known]) == 1
    assert set(store.memory.begun) == {known["key"], young["key"]}


async def test_it_fails_as_long_as_it_is_told_to(store: MemoryFileStore, source: Source) -> None:
    store.failures["store"] = Unavailable("The memory is away")

    with pytest.raises(Unavailable):
        await store.store(source.file, source.path)
    del store.failures["store"]
    data = await store.store(source.file, source.path)
    store.failures["chunk"] = FileMissing("the rest")

    with pytest.raises(FileMissing):
        await read(store, source, data)


async def test_it_waits_until_it_may_go_on(store: MemoryFileStore, source: Source) -> None:
    store.gates["store"] = asyncio.Event()

    task = asyncio.create_task(store.store(source.file, source.path))
    await asyncio.sleep(0.01)

    assert not task.done()
    assert store.objects == {}
    store.gates["store"].set()
    assert await read(store, source, await task) == source.content
