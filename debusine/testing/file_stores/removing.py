"""What must hold when objects are removed, and when they are listed."""

import pytest

from debusine.plugin import StoreData
from debusine.testing.file_stores.suite import (
    Backend,
    FileStoreSuite,
    content,
    entered,
    listed,
    listed_data,
    require_missing,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources


class Removing(FileStoreSuite):
    """What is gone is said to be gone; what is there is listed."""

    async def test_an_object_that_was_removed_is_missing(self, backend: Backend, sources: Sources) -> None:
        """Every method that needs it raises ``FileMissing``."""
        source, data = await removed(backend, sources)
        await require_missing(backend.remove(source.file, data), "remove()")
        await require_missing(backend.stat(source.file, data), "stat()")
        await require_missing(backend.verify(source.file, data), "verify()")

    async def test_a_missing_object_is_noticed_on_entering_open(self, backend: Backend, sources: Sources) -> None:
        """Before a server has sent its first header."""
        source, data = await removed(backend, sources)
        await require_missing(entered(backend, source, data), "entering open()")

    async def test_every_object_is_listed_with_its_data_and_size(self, backend: Backend, sources: Sources) -> None:
        """The farm compares the listing with its rows."""
        several = [sources.of_size(size) for size in (0, 1, 70_000)]
        expected = [(await stored(backend, source), source.file.size) for source in several]
        entries = [(dict(entry.data), entry.size) for entry in await listed(backend)]
        for data, size in expected:
            require((data, size) in entries, f"entries() must list {data} with {size} bytes; it lists {entries}")
        require(len(entries) == 3, f"entries() must list every object once; of 3 it lists {len(entries)}")

    async def test_a_listed_object_can_be_read(self, backend: Backend, sources: Sources) -> None:
        """By the data that stands in the listing."""
        source = sources.of_size(1000)
        await stored(backend, source)
        (entry,) = await listed(backend)
        got = await content(backend, source, dict(entry.data))
        require(got == source.content, "open() must find an object by the data that entries() lists")
        await backend.remove(source.file, dict(entry.data))

    async def test_an_object_that_was_removed_is_not_listed(self, backend: Backend, sources: Sources) -> None:
        """Neither it nor what it may have left."""
        await removed(backend, sources)
        require(await listed_data(backend) == [], "entries() must not list an object that was removed")

    async def test_a_listing_goes_on_while_objects_come_and_go(self, backend: Backend, sources: Sources) -> None:
        """What is there all the time is listed, once; what comes or goes may be."""
        source = sources.of_size(1000)
        staying = [await stored(backend, source) for _ in range(4)]
        going = [await stored(backend, source) for _ in range(4)]
        entries = backend.entries()
        try:
            seen = [dict((await anext(entries)).data)]
            for data in going:
                await backend.remove(source.file, data)
                await stored(backend, source)
            await stored(backend, source)
            seen += [dict(entry.data) async for entry in entries]
        except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
            pytest.fail(f"entries() must go on while objects come and go, not raise {error!r}")
        missed = [data for data in staying if seen.count(data) != 1]
        require(missed == [], f"entries() must list once what is there all the time; not so with {missed}")

    async def test_an_empty_store_lists_nothing(self, backend: Backend) -> None:
        """A new place is empty."""
        require(await listed_data(backend) == [], "entries() must list nothing in a new store")


async def removed(backend: Backend, sources: Sources) -> tuple[Source, StoreData]:
    """A file that was stored and removed."""
    source = sources.of_size(1000)
    data = await stored(backend, source)
    await backend.remove(source.file, data)
    return source, data
