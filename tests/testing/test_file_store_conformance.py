"""The suite itself: it passes a right backend, and each broken one fails the test that names its fault."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from debusine.plugin import Digest, File, StoreData, StoredEntry, StoredObject, in_thread
from debusine.testing import MemoryFileStore, MemoryOptions, Sources
from tests.testing.memory_conformance import MemoryConformance, require_failure


class TestMemoryFileStore(MemoryConformance):
    @pytest.fixture
    def backend(self) -> MemoryFileStore:
        return MemoryFileStore()


class TestMemoryFileStoreWithAll(MemoryConformance):
    @pytest.fixture
    def backend(self) -> MemoryFileStore:
        return MemoryFileStore(MemoryOptions(takes_content=True, takes_parts=True))


class OneObjectForOneContent(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        key = data["key"].partition("-")[0]
        self.objects[key] = self.objects.pop(data["key"])
        return {"key": key}


class Moving(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        await in_thread(source.unlink)
        return data


class Touching(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        await in_thread(source.chmod, 0o400)
        return await super().store(file, source)


class AsOldAsItsSource(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        content, found = self.objects[data["key"]]
        modified = datetime.fromtimestamp(source.stat().st_mtime, UTC)
        self.objects[data["key"]] = (content, evolve(found, modified=modified))
        return data


class Unserialisable(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        return {**await super().store(file, source), 7: "a key that JSON turns into a string"}  # type: ignore[dict-item]


class Referring(MemoryFileStore):
    """Keeps no bytes of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, Path] = {}

    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        self.sources[data["key"]] = source
        return data

    def _found(self, data: StoreData) -> tuple[bytes, StoredObject]:
        _, found = super()._found(data)
        source = self.sources[data["key"]]
        return (source.read_bytes() if source.exists() else b"", found)


class LengthIsAnEnd(MemoryFileStore):
    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().open(file, data, start, None if length is None else length - start) as chunks:
            yield chunks


class OneByteTooMany(MemoryFileStore):
    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().open(file, data, start, None if length is None else length + 1) as chunks:
            yield chunks


class LateToMiss(MemoryFileStore):
    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            async with super(LateToMiss, self).open(file, data, start, length) as inner:
                async for chunk in inner:
                    yield chunk

        yield chunks()


class WholeAtOnce(MemoryFileStore):
    chunk = 1 << 30


class EndsInSilence(MemoryFileStore):
    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in inner:
                if data["key"] not in self.objects:
                    return
                yield chunk

        async with super().open(file, data, start, length) as inner:
            yield chunks()


class TrustingItsNotes(MemoryFileStore):
    async def verify(self, file: File, data: StoreData) -> Digest:
        self._found(data)
        return file.digest


class ForgivingRemoval(MemoryFileStore):
    async def remove(self, file: File, data: StoreData) -> None:
        self.objects.pop(data["key"], None)


class ForeignErrors(MemoryFileStore):
    async def stat(self, file: File, data: StoreData) -> StoredObject:
        return self.objects[data["key"]][1]


class ListsNoSizes(MemoryFileStore):
    async def entries(self) -> AsyncIterator[StoredEntry]:
        async for entry in super().entries():
            yield evolve(entry, size=0)


class ListsKeysOnly(MemoryFileStore):
    async def entries(self) -> AsyncIterator[StoredEntry]:
        async for entry in super().entries():
            yield evolve(entry, data={"name": entry.data["key"]})


class ListsTheDead(MemoryFileStore):
    def __init__(self) -> None:
        super().__init__()
        self.dead: list[StoreData] = []

    async def remove(self, file: File, data: StoreData) -> None:
        await super().remove(file, data)
        self.dead.append(data)

    async def entries(self) -> AsyncIterator[StoredEntry]:
        for data in self.dead:
            yield StoredEntry(data=data, size=1, modified=datetime.now(UTC))
        async for entry in super().entries():
            yield entry


class Uncancellable(MemoryFileStore):
    """Leaves the object there when nobody waits for it any more."""

    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        await asyncio.sleep(0.5)  # most of the time that it takes, also when the machine stands still for seconds
        return data


class ShowsParts(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        content, found = self.objects[data["key"]]
        self.objects[data["key"]] = (content[:100], found)
        await asyncio.sleep(0.01)
        self.objects[data["key"]] = (content, found)
        return data


class Blocking(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        source.read_bytes()
        return await super().store(file, source)


class LeakingDescriptors(MemoryFileStore):
    def __init__(self) -> None:
        super().__init__()
        self.leaked: list[Any] = []

    async def store(self, file: File, source: Path) -> StoreData:
        self.leaked.append(await in_thread(source.open))
        return await super().store(file, source)

    def __del__(self) -> None:
        for stream in self.leaked:
            stream.close()


class LeakingThreads(MemoryFileStore):
    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()

    async def store(self, file: File, source: Path) -> StoreData:
        threading.Thread(target=self.end.wait, daemon=True).start()
        return await super().store(file, source)

    def __del__(self) -> None:
        self.end.set()


class ClosableOnce(MemoryFileStore):
    closed = False

    async def aclose(self) -> None:
        if self.closed:
            message = "closed already"
            raise RuntimeError(message)
        self.closed = True


class MixingUp(MemoryFileStore):
    """Two that store at the same time share a buffer."""

    buffer = b""

    async def store(self, file: File, source: Path) -> StoreData:
        self.buffer = await in_thread(source.read_bytes)
        await asyncio.sleep(0)
        data = await super().store(file, source)
        self.objects[data["key"]] = (self.buffer, self.objects[data["key"]][1])
        return data


class LeavingHalves(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        self.objects["half-1"] = (b"", StoredObject(size=0, modified=datetime.now(UTC)))
        data = await super().store(file, source)
        del self.objects["half-1"]
        return data


class BadUrl(MemoryFileStore):
    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        return f"file:///{content_type}"


class NamedBySources(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        key = f"{data['key']}-{source.name}"
        self.objects[key] = self.objects.pop(data["key"])
        return {"key": key}


class ListsWhatChanges(MemoryFileStore):
    async def entries(self) -> AsyncIterator[StoredEntry]:
        for key, (_, found) in self.objects.items():
            yield StoredEntry(data={"key": key}, size=found.size, modified=found.modified)


class ListsAgain(MemoryFileStore):
    """Starts its listing anew when something has changed meanwhile."""

    async def entries(self) -> AsyncIterator[StoredEntry]:
        before = list(self.objects)
        async for entry in super().entries():
            yield entry
        if list(self.objects) != before:
            async for entry in super().entries():
                yield entry


class MovingForAll(MemoryFileStore):
    """Its readers share one place in the object, as those of one file that is open do."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, int] = {}

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            while block := content[(place := self.places.setdefault(data["key"], start)) :][: self.chunk]:
                self.places[data["key"]] = place + len(block)
                await asyncio.sleep(0)
                yield block
            del self.places[data["key"]]

        content, _ = self._found(data)
        yield chunks()


class LeakingMemory(MemoryFileStore):
    def __init__(self) -> None:
        super().__init__()
        self.leaked: list[bytes] = []

    async def store(self, file: File, source: Path) -> StoreData:
        data = await super().store(file, source)
        self.leaked.append(self.objects[data["key"]][0])
        return data


class WrongPath(MemoryFileStore):
    def local_path(self, file: File, data: StoreData) -> Path | None:
        return Path("/dev/null")


class NoOptions(MemoryFileStore):
    def __init__(self) -> None:
        super().__init__()
        self.options = {}  # type: ignore[assignment]


FAULTS: list[tuple[Callable[[], MemoryFileStore], str, str]] = [
    (OneObjectForOneContent, "the_same_content_twice_makes_two_objects", "other data each time"),
    (OneObjectForOneContent, "one_content_is_stored_many_times_at_the_same_time", "its own object"),
    (MixingUp, "many_files_are_stored_at_the_same_time", "objects stored at the same time are wrong"),
    (Moving, "the_source_is_left_as_it_was", "must not move"),
    (Touching, "the_source_is_left_as_it_was", "must not change the source's mode"),
    (AsOldAsItsSource, "an_object_is_as_young_as_its_storing", "not that of the source"),
    (Unserialisable, "what_store_returns_is_json", "must return what JSON gives back unchanged"),
    (Referring, "the_object_outlives_its_source", "when its source is gone"),
    (LeavingHalves, "a_source_that_is_not_there_leaves_nothing", "must leave nothing when it fails"),
    (WholeAtOnce, "chunks_are_bytes_and_small_enough", "a chunk has"),
    (EndsInSilence, "a_removal_during_the_reading_is_not_told_by_missing_bytes", "all the bytes or an error"),
    (TrustingItsNotes, "verify_finds_a_changed_byte", "find a changed byte"),
    (WrongPath, "a_local_path_leads_to_the_bytes", "which has other bytes"),
    (BadUrl, "a_download_url_gives_the_bytes_and_the_headers", "must give a URL"),
    (LeakingThreads, "file_descriptors_and_threads_do_not_leak", "threads stay alive"),
    (NamedBySources, "a_name_that_a_user_chose_is_nowhere_in_the_store", "the source's name is in"),
    (ListsWhatChanges, "a_listing_goes_on_while_objects_come_and_go", "must go on while objects come and go"),
    (ListsAgain, "a_listing_goes_on_while_objects_come_and_go", "must list once what is there all the time"),
    (MovingForAll, "a_reading_that_is_cancelled_disturbs_nobody", "must be read as before"),
    (LeakingMemory, "memory_does_not_leak", "MiB of memory stay in use"),
    (ForgivingRemoval, "an_object_that_was_removed_is_missing", "remove() must raise FileMissing"),
    (ForeignErrors, "an_object_that_was_removed_is_missing", "stat() must raise FileMissing .* not KeyError"),
    (LateToMiss, "a_missing_object_is_noticed_on_entering_open", "entering open() must raise FileMissing"),
    (ListsNoSizes, "every_object_is_listed_with_its_data_and_size", "must list"),
    (ListsKeysOnly, "every_object_is_listed_with_its_data_and_size", "must list"),
    (ListsTheDead, "an_object_that_was_removed_is_not_listed", "must not list"),
    (Uncancellable, "a_storing_that_is_cancelled_leaves_nothing", "must leave nothing"),
    (ShowsParts, "what_is_listed_during_a_storing_is_whole", "lists a part of an object"),
    (Blocking, "no_file_is_opened_on_the_event_loop", "block the event loop"),
    (LeakingDescriptors, "file_descriptors_and_threads_do_not_leak", "file descriptors stay open"),
]


@pytest.mark.parametrize(("broken", "test", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_backend_fails_with_a_sentence(
    sources: Sources, broken: Callable[[], MemoryFileStore], test: str, sentence: str
) -> None:
    await require_failure(broken(), test, sentence, sources=sources)


@pytest.mark.parametrize("broken", [LengthIsAnEnd, OneByteTooMany])
async def test_a_backend_that_mistakes_a_length_fails(sources: Sources, broken: Callable[[], MemoryFileStore]) -> None:
    sentence = "must give 1 bytes, not"
    await require_failure(broken(), "a_range_is_read", sentence, sources=sources, start=1, length=1)


async def test_a_backend_that_cannot_be_closed_twice_fails(sources: Sources) -> None:
    sentence = "must do nothing the second time, not raise .*closed already"
    await require_failure(ClosableOnce(), "it_can_be_closed_twice", sentence, sources=sources)


async def test_a_backend_that_forgets_its_options_fails() -> None:
    sentence = "must be an object of NoOptions.Options"
    await require_failure(NoOptions(), "the_class_can_be_offered_by_a_hook", sentence)
