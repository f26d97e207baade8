"""What must hold when files are stored."""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from debusine.plugin import StoreData, in_thread, now
from debusine.plugin.kinds import FILE_STORE
from debusine.testing.file_stores.suite import (
    MIB,
    Backend,
    FileStoreSuite,
    content,
    listed_data,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

#: Clocks of file systems and of servers far away are this much behind ours, at most.
CLOCKS_DIFFER = timedelta(minutes=5)

#: Part of a file's name.
CHOSEN = "chosen-by-a-user"


class Storing(FileStoreSuite):
    """Whatever is stored can be read, and the source is left alone."""

    async def test_the_class_can_be_offered_by_a_hook(self, backend: Backend) -> None:
        """Its ``name`` and its ``Options`` are what the manager demands."""
        reason = FILE_STORE.reason_against(type(backend))
        require(reason is None, f"{type(backend).__name__} cannot be offered by a hook: {reason}")
        require(
            isinstance(backend.options, type(backend).Options),
            f"backend.options must be an object of {type(backend).__name__}.Options; call super().__init__(options)",
        )

    async def test_a_file_is_read_back_as_it_was_stored(self, backend: Backend, sources: Sources) -> None:
        """Of several sizes, around those of usual blocks."""
        for size in (1, 4096, 65_537, MIB, 3 * MIB + 17):
            await require_round_trip(backend, sources.of_size(size))

    async def test_an_empty_file_is_read_back_empty(self, backend: Backend, sources: Sources) -> None:
        """It has no chunk of any use, but it is there."""
        await require_round_trip(backend, sources.of(b""))

    async def test_what_store_returns_is_json(self, backend: Backend, sources: Sources) -> None:
        """It is kept in the database and comes back from there."""
        source = sources.of_size(1000)
        data = await stored(backend, source)
        require(isinstance(data, dict), f"store() must return a dict, not {data!r}")
        returned: Any = through_json(data)
        require(returned == data, f"store() must return what JSON gives back unchanged, not {data!r}")
        got = await content(backend, source, returned)
        require(got == source.content, "open() must find the object by data that has been through JSON")

    async def test_the_same_content_twice_makes_two_objects(self, backend: Backend, sources: Sources) -> None:
        """So that removing one of them never hurts the other."""
        source = sources.of_size(5000)
        first, second = await stored(backend, source), await stored(backend, source)
        require(first != second, "store() must return other data each time, also for the same content")
        await backend.remove(source.file, first)
        got = await content(backend, source, second)
        require(got == source.content, "remove() of one object must not touch another with the same content")

    async def test_content_is_kept_as_a_file_would_be(self, backend: Backend, sources: Sources) -> None:
        """Small files that are in memory become objects like all others, each of its own."""
        self.needs_content(backend)
        source = sources.of_size(10_000)
        first = await in_thread(backend.store_content, source.file, source.content)
        second = await in_thread(backend.store_content, source.file, source.content)
        await backend.remove(source.file, first)
        got = await content(backend, source, through_json(second))
        require(got == source.content, "open() must find what store_content() has kept, whatever became of its twin")
        require(second in await listed_data(backend), "entries() must list what store_content() has kept")

    async def test_many_files_are_stored_at_the_same_time(self, backend: Backend, sources: Sources) -> None:
        """No object gets bytes of another."""
        several = [sources.of_size(200_000 + number) for number in range(8)]
        data = await asyncio.gather(*(stored(backend, source) for source in several))
        await require_contents(backend, several, data)

    async def test_one_content_is_stored_many_times_at_the_same_time(self, backend: Backend, sources: Sources) -> None:
        """Two users upload the same file in the same moment."""
        source = sources.of_size(200_000)
        data = await asyncio.gather(*(stored(backend, source) for _ in range(8)))
        require(len({json.dumps(one, sort_keys=True) for one in data}) == 8, "each store() must make its own object")
        await require_contents(backend, [source] * 8, data)

    async def test_the_source_is_left_as_it_was(self, backend: Backend, sources: Sources) -> None:
        """Not moved, not changed; the farm removes it when it wants."""
        source = sources.of_size(100_000)
        before = source.path.stat()
        await backend.remove(source.file, await stored(backend, source))
        require(source.path.exists(), "store() and remove() must not move or remove the source")
        after = source.path.stat()
        require(source.path.read_bytes() == source.content, "store() must not change the source's bytes")
        require(after.st_mode == before.st_mode, "store() must not change the source's mode")
        require(after.st_mtime_ns == before.st_mtime_ns, "store() must not change the source's time")

    async def test_the_object_outlives_its_source(self, backend: Backend, sources: Sources) -> None:
        """The farm removes the source as soon as the object is recorded."""
        source = sources.of_size(100_000)
        data = await stored(backend, source)
        source.path.unlink()
        got = await content(backend, source, data)
        require(got == source.content, "an object must be there when its source is gone")

    async def test_an_object_is_as_young_as_its_storing(self, backend: Backend, sources: Sources) -> None:
        """Objects that look old and are not yet recorded would be swept away."""
        source = sources.of_size(1000)
        os.utime(source.path, (10**9, 10**9))
        start = now()
        found = await backend.stat(source.file, await stored(backend, source))
        require(found.size == 1000, f"stat() must tell the size, 1000, not {found.size}")
        require(
            found.modified > start - CLOCKS_DIFFER,
            f"stat().modified must be the time of storing, not that of the source ({found.modified})",
        )

    async def test_a_source_that_is_not_there_leaves_nothing(self, backend: Backend, sources: Sources) -> None:
        """When storing fails, no object stays."""
        source = sources.of_size(1000)
        source.path.unlink()
        try:
            await stored(backend, source)
        except Exception:  # noqa: BLE001 - any error will do, it is the caller's mistake
            require(await listed_data(backend) == [], "store() must leave nothing when it fails")
        else:
            require(False, "store() must raise when the source is not there")

    async def test_a_name_that_a_user_chose_is_nowhere_in_the_store(self, backend: Backend, sources: Sources) -> None:
        """Names of objects are made by the store: no name makes trouble, and none is told to others."""
        source = sources.named(f"{CHOSEN} \N{SNOWMAN} .. \n.deb", b"content of a file with a name")
        data = await stored(backend, source)
        told = [data, *await listed_data(backend), str(backend.local_path(source.file, data))]
        require(
            all(CHOSEN not in json.dumps(one) for one in told),
            f"store() must make a key of its own, of the hash and a unique part; the source's name is in {told}",
        )

    async def test_another_object_of_the_class_finds_what_was_stored(self, backend: Backend, sources: Sources) -> None:
        """Every process builds its own, and they all are to see the same."""
        self.needs_persistence()
        source = sources.of_size(1000)
        data = await stored(backend, source)
        async with self.second(backend) as other:
            got = await content(other, source, data)
        require(got == source.content, "a second backend with the same options must find what the first one stored")


def through_json(data: StoreData) -> Any:
    """What becomes of data in the database."""
    return json.loads(json.dumps(data, allow_nan=False))


async def require_round_trip(backend: Backend, source: Source) -> None:
    """Fail unless a stored file is read back whole."""
    __tracebackhide__ = True
    got = await content(backend, source, await stored(backend, source))
    size = source.file.size
    require(len(got) == size, f"open() must give all {size} bytes of the object, not {len(got)}")
    require(got == source.content, f"open() must give the bytes that were stored ({size} of them)")


async def require_contents(backend: Backend, sources: Sequence[Source], data: Sequence[StoreData]) -> None:
    """Fail unless each object has the content of its source."""
    __tracebackhide__ = True
    contents = await asyncio.gather(*(content(backend, source, one) for source, one in zip(sources, data, strict=True)))
    right = [got == source.content for got, source in zip(contents, sources, strict=True)]
    require(all(right), f"{right.count(False)} of {len(right)} objects stored at the same time are wrong")
