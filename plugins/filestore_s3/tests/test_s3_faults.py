"""Whatever happens on the way to the server: a file is stored once or not at all, and read whole or not at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import attrs
import pytest
from debusine_filestore_s3.backend import S3FileStore
from debusine_filestore_s3.options import MIB, S3Options

from debusine.plugin import Damaged, FileMissing, StorageFull, Unavailable
from debusine.testing import Source, Sources
from tests.s3.fault_proxy import (
    AnswerCorrupted,
    AnswerCut,
    Corrupted,
    Denied,
    Fault,
    FaultProxy,
    Halted,
    Late,
    Lost,
    Refused,
    Reset,
    Slow,
    running_fault_proxy,
)
from tests.s3.servers import Swift
from tests.s3.stores import EMPTY, held, open_store, options_for, without_pauses

#: Longer than the store waits for an answer in these tests.
TOO_LATE = 1.6
PATIENCE = 1.0

SMALL, LARGE = 100_000, 5 * MIB + 1000

AT_ONCE = ["PutObject"]
IN_PARTS = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
OPERATIONS = [(operation, SMALL) for operation in AT_ONCE] + [(operation, LARGE) for operation in IN_PARTS]

#: Of those that fail for good, with this, the store finds out that all is well.
DONE_ALL_THE_SAME = {"PutObject", "CompleteMultipartUpload"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pauses(monkeypatch)


@pytest.fixture
def proxy(swift: Swift) -> Iterator[FaultProxy]:
    with running_fault_proxy(swift.http.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def options(swift: Swift, proxy: FaultProxy) -> S3Options:
    return options_for(swift.http, endpoint_url=proxy.endpoint_url, part_size=5 * MIB)


@pytest.fixture
async def store(options: S3Options) -> AsyncIterator[S3FileStore]:
    async with open_store(options) as store:
        yield store


@pytest.fixture
async def hasty(options: S3Options) -> AsyncIterator[S3FileStore]:
    """A store that does not wait long."""
    async with open_store(attrs.evolve(options, read_timeout=PATIENCE)) as store:
        yield store


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Source]:
    made = Sources(tmp_path_factory.mktemp("sources"))
    return {size: made.of_size(size) for size in (SMALL, LARGE)}


async def read(store: S3FileStore, source: Source, key: str) -> bytes:
    got: list[bytes] = []
    await read_into(got, store, source, key)
    return b"".join(got)


async def read_into(got: list[bytes], store: S3FileStore, source: Source, key: str) -> None:
    async with store.open(source.file, {"key": key}) as chunks:
        async for chunk in chunks:
            got.append(chunk)


async def require_stored_once(swift: Swift, store: S3FileStore, source: Source, key: str) -> None:
    found = held(swift.http, store.options)
    assert found.objects == {key: source.file.size}
    assert found.uploads == ()
    assert await read(store, source, key) == source.content


class TestStoring:
    @pytest.mark.parametrize(("operation", "size"), OPERATIONS)
    @pytest.mark.parametrize("fault", [Refused(), Denied(), Lost(), Reset(0)], ids=lambda fault: type(fault).__name__)
    async def test_a_file_is_stored_once_whatever_goes_wrong_once(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        operation: str,
        size: int,
        fault: Fault,
    ) -> None:
        proxy.let(operation, fault, each=True)

        data = await store.store(sources[size].file, sources[size].path)

        assert operation in proxy.requests
        await require_stored_once(swift, store, sources[size], data["key"])

    @pytest.mark.parametrize(("operation", "size"), OPERATIONS)
    @pytest.mark.parametrize("fault", [Refused(), Denied(), Lost()], ids=lambda fault: type(fault).__name__)
    async def test_a_file_is_stored_once_or_not_at_all_whatever_goes_wrong_for_good(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        operation: str,
        size: int,
        fault: Fault,
    ) -> None:
        source = sources[size]
        proxy.let(operation, fault, times=None)

        if operation in DONE_ALL_THE_SAME and not isinstance(fault, Refused):
            data = await store.store(source.file, source.path)
            await require_stored_once(swift, store, source, data["key"])
        else:
            with pytest.raises(Unavailable, match="cannot be used just now"):
                await store.store(source.file, source.path)
            assert held(swift.http, store.options) == EMPTY

    @pytest.mark.parametrize(("operation", "size"), [("PutObject", SMALL), ("UploadPart", LARGE)])
    @pytest.mark.parametrize("fault", [Corrupted(500), Reset(70_000)], ids=lambda fault: type(fault).__name__)
    async def test_content_that_is_changed_or_cut_off_is_sent_again(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        operation: str,
        size: int,
        fault: Fault,
    ) -> None:
        proxy.let(operation, fault, each=True)

        data = await store.store(sources[size].file, sources[size].path)

        await require_stored_once(swift, store, sources[size], data["key"])
        whole = {SMALL: 1, LARGE: 2}[size]
        broken = whole - (isinstance(fault, Reset) and size == LARGE)  # the last part is too short for that
        assert proxy.requests.count(operation) == whole + broken

    @pytest.mark.parametrize(("operation", "size"), [("PutObject", SMALL), ("UploadPart", LARGE)])
    @pytest.mark.parametrize("checksums", [True, False])
    async def test_content_that_is_changed_each_time_is_not_stored(
        self,
        swift: Swift,
        proxy: FaultProxy,
        options: S3Options,
        sources: dict[int, Source],
        operation: str,
        size: int,
        checksums: bool,
    ) -> None:
        proxy.let(operation, Corrupted(500), times=None)

        async with open_store(attrs.evolve(options, checksums=checksums)) as store:
            with pytest.raises(Unavailable, match="what arrives there is not what was sent"):
                await store.store(sources[size].file, sources[size].path)

        assert held(swift.http, options) == EMPTY

    @pytest.mark.parametrize(("operation", "size"), OPERATIONS)
    @pytest.mark.parametrize("fault", [Slow(TOO_LATE), Late(TOO_LATE)], ids=lambda fault: type(fault).__name__)
    async def test_an_answer_that_comes_too_late_is_not_needed(
        self,
        swift: Swift,
        proxy: FaultProxy,
        hasty: S3FileStore,
        sources: dict[int, Source],
        operation: str,
        size: int,
        fault: Fault,
    ) -> None:
        proxy.let(operation, fault)

        data = await hasty.store(sources[size].file, sources[size].path)

        while proxy.under_way:  # what is late arrives, and must do no harm
            await asyncio.sleep(0.01)
        if operation == "CreateMultipartUpload" and isinstance(fault, Late):
            found = held(swift.http, hasty.options)
            assert len(found.uploads) == 1  # it was begun when nobody knew of it: for `tidy`
            assert found.objects == {data["key"]: size}
        else:
            await require_stored_once(swift, hasty, sources[size], data["key"])

    async def test_a_server_that_does_not_answer_at_all_has_nothing(
        self, swift: Swift, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        proxy.let(None, Refused(503), times=None)

        with pytest.raises(Unavailable, match="it answers 503 to HeadObject"):
            await store.store(sources[SMALL].file, sources[SMALL].path)

        assert held(swift.http, store.options) == EMPTY
        assert "DeleteObject" not in proxy.requests  # who did not say whether it is there need not be asked

    async def test_a_full_server_is_full_and_keeps_nothing(
        self, swift: Swift, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        proxy.let("PutObject", Refused(507), times=None)
        proxy.let("UploadPart", Refused(507), times=None)

        for source in sources.values():
            with pytest.raises(StorageFull, match="has no room for"):
                await store.store(source.file, source.path)

        assert held(swift.http, store.options) == EMPTY

    @pytest.mark.parametrize("answer", [False, True], ids=["request", "answer"])
    @pytest.mark.parametrize(("operation", "size"), OPERATIONS)
    async def test_a_storing_that_is_cancelled_leaves_nothing(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        operation: str,
        size: int,
        answer: bool,
    ) -> None:
        under_way = Halted(answer)
        proxy.let(operation, under_way)
        task = asyncio.create_task(store.store(sources[size].file, sources[size].path))

        assert await asyncio.to_thread(under_way.came.wait, 30)
        task.cancel()
        under_way.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert held(swift.http, store.options) == EMPTY

    async def test_what_cannot_be_removed_is_said_and_left_to_the_sweep(
        self,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        proxy.let("UploadPart", Refused(), times=None)
        proxy.let("AbortMultipartUpload", Refused(), times=None)

        with pytest.raises(Unavailable):
            await store.store(sources[LARGE].file, sources[LARGE].path)

        assert "is left to the sweep: The bucket" in caplog.text


class TestSenders:
    """So many parts at a time are on their way, whatever the number of requests."""

    @pytest.fixture
    def options(self, options: S3Options) -> S3Options:
        return attrs.evolve(options, senders=2)

    async def test_only_so_many_send_at_a_time_and_whoever_waits_may_leave(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        source = sources[LARGE]
        halted = Halted()
        proxy.let("UploadPart", halted, times=None)
        data = await store.begin_parts(source.file)

        parts = [
            asyncio.create_task(store.store_part(source.file, data, number, source.path, 0, 5 * MIB))
            for number in (1, 2, 3, 4)
        ]
        async with asyncio.timeout(30):
            while proxy.requests.count("UploadPart") < 2:
                await asyncio.sleep(0.01)
            await store.probe()  # is not held up by them
            parts[3].cancel()
            await asyncio.wait([parts[3]])
        assert proxy.requests.count("UploadPart") == 2
        halted.go_on.set()
        sent = await asyncio.gather(*parts[:3])

        assert [part["number"] for part in sent] == [1, 2, 3]
        assert proxy.requests.count("UploadPart") == 3
        assert parts[3].cancelled()

    async def test_what_is_small_waits_for_no_sender(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        source = sources[LARGE]
        halted = Halted()
        proxy.let("UploadPart", halted, times=None)
        data = await store.begin_parts(source.file)

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            parts = [
                group.create_task(store.store_part(source.file, data, number, source.path, 0, 5 * MIB))
                for number in (1, 2)
            ]
            try:
                while proxy.requests.count("UploadPart") < 2:
                    await asyncio.sleep(0.01)
                await store.store(sources[SMALL].file, sources[SMALL].path)
                assert not any(part.done() for part in parts)
            finally:
                halted.go_on.set()


class TestParts:
    async def begun(self, store: S3FileStore, source: Source) -> tuple[dict[str, str], list[dict[str, object]]]:
        data = await store.begin_parts(source.file)
        pieces = [(1, 0, 5 * MIB), (2, 5 * MIB, 1000)]
        parts = [
            await store.store_part(source.file, data, number, source.path, at, size) for number, at, size in pieces
        ]
        return data, parts

    @pytest.mark.parametrize("fault", [Denied(), Denied(404), Lost()], ids=repr)
    @pytest.mark.parametrize("times", [1, None])
    async def test_parts_become_one_object_also_when_nobody_says_so(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        fault: Fault,
        times: int | None,
    ) -> None:
        source = sources[LARGE]
        data, parts = await self.begun(store, source)
        proxy.let("CompleteMultipartUpload", fault, times=times)

        finished = await store.finish_parts(source.file, data, parts)

        assert "CompleteMultipartUpload" in proxy.requests
        await require_stored_once(swift, store, source, finished["key"])

    async def test_a_beginning_that_is_cancelled_leaves_nothing(
        self, swift: Swift, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        proxy.let("CreateMultipartUpload", Slow(0.2))
        task = asyncio.create_task(store.begin_parts(sources[LARGE].file))

        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert held(swift.http, store.options) == EMPTY

    async def test_finishing_again_says_the_same_again(
        self, swift: Swift, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        source = sources[LARGE]
        data, parts = await self.begun(store, source)

        first = await store.finish_parts(source.file, data, parts)
        second = await store.finish_parts(source.file, data, parts)

        assert first == second
        assert (await store.stat(source.file, data)).size == LARGE
        await require_stored_once(swift, store, source, first["key"])

    async def test_when_it_cannot_be_finished_just_now_it_can_be_later(
        self, swift: Swift, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source]
    ) -> None:
        source = sources[LARGE]
        data, parts = await self.begun(store, source)
        proxy.let("CompleteMultipartUpload", Refused(), times=None)
        with pytest.raises(Unavailable):
            await store.finish_parts(source.file, data, parts)

        proxy.heal()
        finished = await store.finish_parts(source.file, data, parts)

        await require_stored_once(swift, store, source, finished["key"])


class TestReading:
    @pytest.fixture
    async def key(self, store: S3FileStore, sources: dict[int, Source]) -> str:
        return str((await store.store(sources[LARGE].file, sources[LARGE].path))["key"])

    @pytest.mark.parametrize("fault", [Refused(), Lost(), AnswerCut(0), AnswerCut(MIB + 7)], ids=repr)
    async def test_a_reading_goes_on_where_it_was_interrupted(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str, fault: Fault
    ) -> None:
        proxy.let("GetObject", fault, times=3)

        assert await read(store, sources[LARGE], key) == sources[LARGE].content

    async def test_a_part_of_an_object_goes_on_where_it_was_interrupted(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        proxy.let("GetObject", AnswerCut(MIB), times=3)

        async with store.open(sources[LARGE].file, {"key": key}, start=1000, length=4 * MIB) as chunks:
            got = b"".join([chunk async for chunk in chunks])

        assert got == sources[LARGE].content[1000 : 1000 + 4 * MIB]

    async def test_a_reading_that_gets_nowhere_ends_with_an_error(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        proxy.let("GetObject", AnswerCut(0), times=None)

        with pytest.raises(Unavailable, match="breaks at byte 0 again and again"):
            await read(store, sources[LARGE], key)

    async def test_an_answer_that_takes_too_long_is_asked_for_again(
        self, proxy: FaultProxy, hasty: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        proxy.let("GetObject", Slow(TOO_LATE))

        assert await read(hasty, sources[LARGE], key) == sources[LARGE].content

    @pytest.mark.parametrize("byte", [0, 3 * MIB, LARGE - 1])
    async def test_changed_bytes_never_look_whole(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str, byte: int
    ) -> None:
        proxy.let("GetObject", AnswerCorrupted(byte))
        got: list[bytes] = []

        with pytest.raises(Damaged, match="its bytes are not those that were stored"):
            await read_into(got, store, sources[LARGE], key)

        assert sum(map(len, got)) < LARGE

    async def test_what_was_changed_on_its_way_is_not_held_against_the_store(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        proxy.let("GetObject", AnswerCorrupted(MIB))

        assert await store.verify(sources[LARGE].file, {"key": key}) == sources[LARGE].file.digest

    async def test_whoever_leaves_early_does_not_wait_for_a_slow_server(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        class Stalled(Fault):
            def answered(self, at: int, block: bytes) -> bytes:
                return block if at < 3 * MIB else b""

        proxy.let("GetObject", Stalled())
        clock = asyncio.get_running_loop().time

        async with store.open(sources[LARGE].file, {"key": key}) as chunks:
            await anext(chunks)
            await anext(chunks)
            await anext(chunks)
            start = clock()

        assert clock() - start < 2

    async def test_a_reading_that_is_cancelled_does_not_wait_for_a_slow_server(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], key: str
    ) -> None:
        class Stalled(Fault):
            def answered(self, at: int, block: bytes) -> bytes:
                return block if at < MIB // 2 else b""

        proxy.let("GetObject", Stalled())
        task = asyncio.create_task(read(store, sources[LARGE], key))
        await asyncio.sleep(0.2)
        clock = asyncio.get_running_loop().time
        start = clock()

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert clock() - start < 2


class TestRemoving:
    @pytest.mark.parametrize("fault", [Refused(), Denied(), Lost()], ids=lambda fault: type(fault).__name__)
    @pytest.mark.parametrize("times", [1, None])
    async def test_what_is_gone_is_gone_also_when_nobody_says_so(
        self,
        swift: Swift,
        proxy: FaultProxy,
        store: S3FileStore,
        sources: dict[int, Source],
        fault: Fault,
        times: int | None,
    ) -> None:
        data = await store.store(sources[SMALL].file, sources[SMALL].path)
        proxy.let("DeleteObject", fault, times=times)

        stays = isinstance(fault, Refused) and times is None
        with pytest.raises(Unavailable) if stays else contextlib.nullcontext():
            await store.remove(sources[SMALL].file, data)

        assert bool(held(swift.http, store.options).objects) is stays

    @pytest.mark.parametrize("fault", [Refused(), Lost()], ids=lambda fault: type(fault).__name__)
    async def test_a_server_that_is_away_has_lost_nothing(
        self, proxy: FaultProxy, store: S3FileStore, sources: dict[int, Source], fault: Fault
    ) -> None:
        data = await store.store(sources[SMALL].file, sources[SMALL].path)
        proxy.let(None, fault, times=None)

        for call in (store.stat(sources[SMALL].file, data), store.remove(sources[SMALL].file, data), store.probe()):
            with pytest.raises(Unavailable):
                await call
        with pytest.raises(Unavailable):
            await read(store, sources[SMALL], data["key"])
        with pytest.raises(Unavailable):
            _ = [entry async for entry in store.entries()]

    async def test_a_bucket_that_is_gone_has_lost_nothing(self, swift: Swift, sources: dict[int, Source]) -> None:
        async with open_store(options_for(swift.http, bucket=swift.http.new_bucket())) as store:
            data = await self.lost_with_its_bucket(swift, store, sources)

            with pytest.raises(Unavailable, match="there is no such bucket; make it, or set bucket"):
                await store.stat(sources[SMALL].file, data)

    async def lost_with_its_bucket(
        self, swift: Swift, store: S3FileStore, sources: dict[int, Source]
    ) -> dict[str, str]:
        data = await store.store(sources[SMALL].file, sources[SMALL].path)
        client = swift.http.client()
        client.delete_object(Bucket=store.options.bucket, Key=store.options.prefix + data["key"])
        with pytest.raises(FileMissing):
            await store.stat(sources[SMALL].file, data)

        client.delete_bucket(Bucket=store.options.bucket)
        client.close()
        return data
