"""The suite's parts about places that are good, fail, are full or slow, about large objects and about URLs."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import field, frozen

from debusine.plugin import (
    File,
    FileMissing,
    FileStoreBackend,
    Finding,
    Grade,
    Secret,
    StorageFull,
    StoreData,
    StoredEntry,
    StoredObject,
    in_thread,
)
from debusine.testing import MemoryFileStore, MemoryOptions, Sources
from debusine.testing.file_stores.capabilities import Capabilities
from debusine.testing.file_stores.suite import MIB
from tests.testing.memory_conformance import Suite, require_failure


class PreparesByEmptying(MemoryFileStore):
    async def prepare(self) -> None:
        self.objects.clear()


class RefusesToPrepareTwice(MemoryFileStore):
    async def prepare(self) -> None:
        if self.objects:
            message = "there is something already"
            raise RuntimeError(message)


class ProbesByStoring(MemoryFileStore):
    async def probe(self) -> None:
        self._keep("probe-1", b"")


class TidiesObjects(MemoryFileStore):
    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        self.objects.clear()
        return 0


class TidiesTwice(MemoryFileStore):
    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        return 1


class Finds(MemoryFileStore):
    """Its examination yields one thing."""

    finding: Any = None

    async def examine(self) -> AsyncIterator[Finding]:
        yield self.finding


class FindsText(Finds):
    finding = "all is well"


class FindsWrong(Finds):
    finding = Finding(what="the clock", grade=Grade.WRONG, detail="It stands still; wind it up.")


class FindsWithoutAdvice(Finds):
    finding = Finding(what="hard links", grade=Grade.LACKING)


class FindsPages(Finds):
    finding = Finding(what="first\nsecond", grade=Grade.GOOD)


class FindsWithAnotherGrade(Finds):
    finding = Finding(what="first", grade="so-so")  # type: ignore[arg-type]


class ExaminesByStoring(MemoryFileStore):
    async def examine(self) -> AsyncIterator[Finding]:
        self._keep("try-1", b"")
        yield Finding(what="storing", grade=Grade.GOOD)


class ExaminesAndKeeps(MemoryFileStore):
    """Lets go of nothing before it goes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    async def examine(self) -> AsyncIterator[Finding]:
        self.kept.append(self.more())
        yield Finding(what="keeping", grade=Grade.GOOD)

    def more(self) -> Any:
        return bytes(1 << 20)


class ExaminesWithFiles(ExaminesAndKeeps):
    def more(self) -> Any:
        return socket.socket()

    def __del__(self) -> None:
        for each in self.kept:
            each.close()


class ExaminesWithThreads(ExaminesAndKeeps):
    def more(self) -> Any:
        end = threading.Event()
        threading.Thread(target=end.wait, daemon=True).start()
        return end

    def __del__(self) -> None:
        for end in self.kept:
            end.set()


class AloneEverywhere(MemoryFileStore):
    def shares_place_with(self, other: FileStoreBackend[Any]) -> bool:
        return False


class FrontsText(MemoryFileStore):
    fronts = "archive"


class PlacedByNothing(MemoryFileStore):
    place = ("directory",)


class FailsForeign(MemoryFileStore):
    """Its failures are those of the system."""

    async def _called(self, method: str) -> None:
        try:
            await super()._called(method)
        except Exception as error:
            raise OSError(5, "Input/output error") from error


class FailsAsMissing(MemoryFileStore):
    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if "open" in self.failures:
            raise FileMissing(data["key"])
        async with super().open(file, data, start, length) as chunks:
            yield chunks


class ListsNothingWhenItFails(MemoryFileStore):
    async def entries(self) -> AsyncIterator[StoredEntry]:
        if "entries" not in self.failures:
            async for entry in super().entries():
                yield entry


class RemovesNothingInSilence(MemoryFileStore):
    async def remove(self, file: File, data: StoreData) -> None:
        if "remove" not in self.failures:
            await super().remove(file, data)


class HangsWhenItFails(MemoryFileStore):
    async def stat(self, file: File, data: StoreData) -> StoredObject:
        if "stat" in self.failures:
            await asyncio.Event().wait()
        return await super().stat(file, data)


class IsAlwaysWell(MemoryFileStore):
    async def probe(self) -> None:
        pass


class ForgetsWhenItFails(MemoryFileStore):
    async def _called(self, method: str) -> None:
        if method in self.failures:
            self.objects.clear()
        await super()._called(method)


class NeverRecovers(MemoryFileStore):
    failed = False

    async def probe(self) -> None:
        await self._called("store")

    async def _called(self, method: str) -> None:
        if method == "store" and method in self.failures:
            self.failed = True
            self.failures_then = self.failures
        elif method == "store" and self.failed:
            self.failures = self.failures_then
        await super()._called(method)


class LeavesHalvesWhenItFails(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        if "store" in self.failures:
            self.objects["half-1"] = (b"", StoredObject(size=0, modified=datetime.now(UTC)))
        return await super().store(file, source)


class KeepsSmallFilesAnyway(MemoryFileStore):
    takes_content = True

    def store_content(self, file: File, content: bytes) -> StoreData:
        return self._keep(self._new_key(file), content)


class TakesPartsAnyway(MemoryFileStore):
    takes_parts = True

    async def begin_parts(self, file: File) -> StoreData:
        failures, self.failures = self.failures, {}
        data = await super().begin_parts(file)
        self.failures = failures
        return data


class FullIsAway(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        try:
            return await super().store(file, source)
        except StorageFull as error:
            raise OSError(28, "No space left on device") from error


class FullGivesNothing(MemoryFileStore):
    async def _called(self, method: str) -> None:
        await super()._called("store" if method == "remove" else method)


class SlowForAll(MemoryFileStore):
    async def _called(self, method: str) -> None:
        time.sleep(self.delay)
        await self._may_go_on(method)

    async def store(self, file: File, source: Path) -> StoreData:
        await self._called("store")
        return self._keep(self._new_key(file), source.read_bytes())


class DeafWhenSlow(MemoryFileStore):
    async def store(self, file: File, source: Path) -> StoreData:
        task = asyncio.ensure_future(super().store(file, source))
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                continue
        return await task


class LargeReads(MemoryFileStore):
    """Stores in little memory, and reads all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: dict[str, Path] = {}

    async def store(self, file: File, source: Path) -> StoreData:
        data = self._keep(self._new_key(file), b"")
        self.paths[data["key"]] = source
        return data

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._chunks(await in_thread(self.paths[data["key"]].read_bytes))


FAULTS: list[tuple[Callable[[], MemoryFileStore], str, str]] = [
    (PreparesByEmptying, "a_usable_place_can_be_prepared_twice", "prepare() must leave what is kept"),
    (RefusesToPrepareTwice, "a_usable_place_can_be_prepared_twice", "prepare() must accept a place that is in use"),
    (TidiesObjects, "tidying_leaves_the_objects", "tidy() must leave every object"),
    (TidiesTwice, "tidying_leaves_the_objects", "say 0, not 1"),
    (FindsText, "an_examination_of_a_good_place_finds_nothing_wrong", "must yield objects of Finding"),
    (FindsWrong, "an_examination_of_a_good_place_finds_nothing_wrong", "must find nothing wrong in a good place"),
    (FindsWithoutAdvice, "an_examination_of_a_good_place_finds_nothing_wrong", "`detail` must say what was seen"),
    (FindsPages, "an_examination_of_a_good_place_finds_nothing_wrong", "`what` must be one line"),
    (FindsWithAnotherGrade, "an_examination_of_a_good_place_finds_nothing_wrong", "its grade must be one of"),
    (ExaminesByStoring, "an_examination_of_a_good_place_finds_nothing_wrong", "none of its own"),
    (FailsForeign, "a_place_that_fails_is_told_of_in_the_farms_words", "Unavailable or the like .* not OSError"),
    (FailsAsMissing, "a_place_that_fails_is_told_of_in_the_farms_words", "Unavailable or the like .* not FileMissing"),
    (ListsNothingWhenItFails, "a_place_that_fails_is_told_of_in_the_farms_words", "entries() must raise an error"),
    (RemovesNothingInSilence, "a_place_that_fails_is_told_of_in_the_farms_words", "remove() must raise an error"),
    (HangsWhenItFails, "a_place_that_fails_is_told_of_in_the_farms_words", "stat() must raise an error within 0.1"),
    (IsAlwaysWell, "a_place_that_fails_is_told_of_in_the_farms_words", "probe() must raise Unavailable"),
    (ForgetsWhenItFails, "a_place_that_failed_is_used_again_by_itself", "open() must work again"),
    (NeverRecovers, "a_place_that_failed_is_used_again_by_itself", "probe() must succeed again"),
    (LeavesHalvesWhenItFails, "a_place_that_failed_is_used_again_by_itself", "must leave nothing when it fails"),
    (KeepsSmallFilesAnyway, "content_is_refused_by_a_place_that_fails", "store_content() must raise an error"),
    (TakesPartsAnyway, "parts_go_on_when_the_place_is_back", "begin_parts() must raise an error"),
    (FullIsAway, "a_full_place_says_so_and_goes_on_giving", "must raise StorageFull"),
    (FullGivesNothing, "a_full_place_says_so_and_goes_on_giving", "remove() must go on when there is no room"),
    (DeafWhenSlow, "storing_in_a_slow_place_is_cancelled_soon", "must raise CancelledError|must end within"),
]


@pytest.mark.parametrize(("broken", "test", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_backend_fails_with_a_sentence(
    sources: Sources, broken: Callable[[], MemoryFileStore], test: str, sentence: str
) -> None:
    await require_failure(broken(), test, sentence, sources=sources)


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        (ExaminesAndKeeps, "MiB of memory stay in use"),
        (ExaminesWithFiles, "5 file descriptors stay open"),
        (ExaminesWithThreads, "5 threads stay alive"),
    ],
)
async def test_an_examination_that_leaves_something_fails(broken: Callable[[], MemoryFileStore], kept: str) -> None:
    await require_failure(broken(), "an_examination_leaves_nothing_behind", f"{kept} after 5 examinations")


@pytest.mark.parametrize(
    ("broken", "test", "sentence"),
    [
        (ProbesByStoring, "a_usable_place_can_be_probed", "probe() must make nothing"),
        (AloneEverywhere, "it_shares_its_place_with_itself", "must be True for itself"),
        (FrontsText, "what_it_fronts_is_a_list_of_names", "must be a collection of names"),
        (PlacedByNothing, "where_the_bytes_are_is_told_by_options_that_exist", "it has no .*directory"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_place_that_is_not_what_it_should_be_fails(
    broken: Callable[[], MemoryFileStore], test: str, sentence: str
) -> None:
    await require_failure(broken(), test, sentence)


@pytest.mark.parametrize("doing", ["store", "read"])
async def test_a_backend_that_blocks_when_it_is_slow_fails(sources: Sources, doing: str) -> None:
    sentence = f"to {doing} must not block the event loop"
    await require_failure(SlowForAll(), "a_slow_place_makes_nobody_else_wait", sentence, sources=sources, doing=doing)


class SmallMemory(Suite):
    memory = 2 * MIB


@pytest.mark.parametrize(
    ("broken", "test", "sentence"),
    [
        (MemoryFileStore, "storing_a_large_file_takes_little_memory", "store() of 4 MiB takes"),
        (LargeReads, "reading_a_large_object_takes_little_memory", "reading of 4 MiB takes"),
        (TakesPartsAnyway, "storing_a_large_part_takes_little_memory", "store_part() of 4 MiB takes"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_backend_that_holds_all_in_memory_fails(
    tmp_path: Path, broken: Callable[[], MemoryFileStore], test: str, sentence: str
) -> None:
    await require_failure(broken(), test, sentence, SmallMemory(), tmp_path=tmp_path)


class WithHoles(MemoryFileStore):
    """Keeps large files where they are."""

    wrapped = False

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, tuple[File, Path]] = {}

    async def store(self, file: File, source: Path) -> StoreData:
        data = {"key": self._new_key(file)}
        self.files[data["key"]] = (file, source)
        return data

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        with self.files[data["key"]][1].open("rb") as stream:
            stream.seek(start % 2**32 if self.wrapped else start)
            yield self._chunks(stream.read(length))

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        return StoredObject(size=self.files[data["key"]][0].size, modified=datetime.now(UTC))

    async def entries(self) -> AsyncIterator[StoredEntry]:
        for key, (file, _) in self.files.items():
            yield StoredEntry(data={"key": key}, size=file.size, modified=datetime.now(UTC))

    async def remove(self, file: File, data: StoreData) -> None:
        del self.files[data["key"]]


class CountsWith32Bits(WithHoles):
    wrapped = True


class LargeSuite(Suite):
    large = True


async def test_5_gib_are_stored_by_a_backend_that_can_count_them(tmp_path: Path) -> None:
    await LargeSuite().test_an_object_may_have_more_than_5_gib(WithHoles(), tmp_path)

    sentence = "of a huge object gives the wrong bytes"
    test = "an_object_may_have_more_than_5_gib"
    await require_failure(CountsWith32Bits(), test, sentence, LargeSuite(), tmp_path=tmp_path)


@frozen(kw_only=True)
class ServedOptions(MemoryOptions):
    password: Secret = field(factory=lambda: Secret("open sesame"))


class Served(MemoryFileStore):
    """Its objects are fetched from a web server."""

    Options = ServedOptions
    base = ""
    suffix = ""
    headers = True
    cut = 0

    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        self.asked = {"Content-Disposition": content_disposition, "Content-Type": content_type}
        return f"{self.base}/{data['key']}{self.suffix}"

    async def answer(self, request: web.Request) -> web.Response:
        content, _ = self.objects[request.match_info["key"]]
        return web.Response(body=content[self.cut :], headers=self.asked if self.headers else None)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    backend = Served(ServedOptions())
    app = web.Application()
    app.router.add_get("/{key}", backend.answer)
    async with TestServer(app) as server:
        backend.base = str(server.make_url("")).rstrip("/")
        yield backend


async def test_a_backend_whose_urls_lead_to_the_objects_passes(served: Served, sources: Sources) -> None:
    await Suite().test_a_download_url_gives_the_bytes_and_the_headers(served, sources)

    assert set(served.asked) == {"Content-Disposition", "Content-Type"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("cut", 1, "a URL of the object's bytes"),
        ("headers", False, "must send Content-Disposition"),
        ("suffix", "/no", "must give a URL that answers 200, not 404"),
        ("suffix", "?password=open sesame", "must not tell clients a secret of the store: password"),
    ],
)
async def test_a_backend_whose_urls_lead_elsewhere_fails(
    served: Served, sources: Sources, name: str, value: object, sentence: str
) -> None:
    setattr(served, name, value)

    test = "a_download_url_gives_the_bytes_and_the_headers"
    await require_failure(served, test, sentence, sources=sources)


def test_the_report_tells_what_each_class_has_and_lacks() -> None:
    capabilities = Capabilities()
    for capability, reason in (("slow", ""), ("corrupt", ""), ("large", "it would take too long")):
        capabilities.note("TestTape", capability, reason)

    assert capabilities.lines("TestTape") == ["TestTape has corrupt, slow", "  lacks large: it would take too long"]
