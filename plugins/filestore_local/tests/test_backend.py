import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem

from debusine.plugin import ConfigurationError, Invalid, InvalidFields, Unavailable, structure
from debusine.testing import Sources


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    directory = tmp_path / "uploads"
    directory.mkdir()
    return Sources(directory)


@pytest.fixture
def options(tmp_path: Path) -> LocalOptions:
    return LocalOptions(base_directory=tmp_path / "new" / "store")


async def prepared(options: LocalOptions, filesystem: FileSystem | None = None) -> LocalFileStore:
    backend = LocalFileStore(options, filesystem)
    await backend.prepare()
    return backend


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


class Journal(FileSystem):
    """Notes what was done to which name, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def sync(self, descriptor: int) -> None:
        self.lines.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        super().sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        self.lines.append(f"sync {path.name}/")
        super().sync_directory(path)

    def rename(self, source: Path, target: Path) -> None:
        self.lines.append(f"rename to {target.parent.name}/")
        super().rename(source, target)


class Copying(Journal):
    """The uploads are on another file system."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")


class TestStoring:
    async def test_an_object_is_a_link_of_its_source(self, options: LocalOptions, sources: Sources) -> None:
        backend, source = await prepared(options), sources.of_size(100)

        path = backend.local_path(source.file, await backend.store(source.file, source.path))

        assert path is not None
        assert path.samefile(source.path)

    async def test_an_object_lies_under_its_hash_and_a_part_of_its_own(
        self, options: LocalOptions, sources: Sources
    ) -> None:
        backend, source = await prepared(options), sources.of(b"hello")

        data = await backend.store(source.file, source.path)

        digest = source.file.hash_digest.hex()
        assert data["key"].startswith(digest + "-")
        assert backend.local_path(source.file, data) == options.base_directory / digest[:2] / data["key"]

    @pytest.mark.parametrize("journal", [Journal, Copying])
    async def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_returns(
        self, options: LocalOptions, sources: Sources, journal: type[Journal]
    ) -> None:
        filesystem = journal()
        backend, source = await prepared(options, filesystem), sources.of(b"hello")
        filesystem.lines.clear()

        data = await backend.store(source.file, source.path)

        directory = data["key"][:2]
        synced = source.path.name if journal is Journal else data["key"]
        assert filesystem.lines == [
            f"sync {synced}",
            "sync store/",
            f"rename to {directory}/",
            f"sync {directory}/",
        ]

    async def test_directories_that_are_known_to_be_on_the_disk_are_not_synced_again(
        self, options: LocalOptions, sources: Sources
    ) -> None:
        filesystem = Journal()
        backend, source = await prepared(options, filesystem), sources.of(b"hello")
        await backend.store(source.file, source.path)
        filesystem.lines.clear()

        data = await backend.store(source.file, source.path)

        directory = data["key"][:2]
        assert filesystem.lines == [f"sync {source.path.name}", f"rename to {directory}/", f"sync {directory}/"]

    async def test_what_a_symbolic_link_leads_to_is_copied(self, options: LocalOptions, sources: Sources) -> None:
        backend, source = await prepared(options), sources.of(b"hello")
        link = source.path.with_name("link")
        link.symlink_to(source.path)

        path = backend.local_path(source.file, await backend.store(source.file, link))

        assert path is not None
        assert not path.is_symlink()
        assert path.read_bytes() == b"hello"

    @pytest.mark.parametrize("filesystem", [FileSystem(), Copying()])
    async def test_a_source_of_another_size_is_refused(
        self, options: LocalOptions, sources: Sources, filesystem: FileSystem
    ) -> None:
        backend, source = await prepared(options, filesystem), sources.of(b"hello")
        source.path.write_bytes(b"hello, world")

        with pytest.raises(Invalid, match="has 12 bytes, not the 5 that were verified"):
            await backend.store(source.file, source.path)

        assert files_below(options.base_directory) == []


class TestCopying:
    async def test_a_copy_has_no_name_in_the_store_before_it_is_whole(
        self, options: LocalOptions, sources: Sources
    ) -> None:
        filesystem, source = HeldWhileCopying(), sources.of_size(100_000)
        backend = await prepared(options, filesystem)
        task = asyncio.create_task(backend.store(source.file, source.path))
        await filesystem.held()

        assert [entry async for entry in backend.entries()] == []
        filesystem.go_on.set()
        data = await task
        assert [entry.data async for entry in backend.entries()] == [data]


class TestCancelling:
    async def cancelled_in(self, filesystem: "Held", options: LocalOptions, sources: Sources) -> None:
        source = sources.of_size(100_000)
        backend = await prepared(options, filesystem)
        task = asyncio.create_task(backend.store(source.file, source.path))
        await filesystem.held()
        task.cancel()
        await asyncio.sleep(0.001)
        filesystem.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_a_copying_ends_at_its_next_block_and_leaves_nothing(
        self, options: LocalOptions, sources: Sources
    ) -> None:
        filesystem = HeldWhileCopying()

        await self.cancelled_in(filesystem, options, sources)

        assert filesystem.blocks == 1
        assert files_below(options.base_directory) == []

    async def test_an_object_that_was_finished_too_late_is_taken_back(
        self, options: LocalOptions, sources: Sources
    ) -> None:
        await self.cancelled_in(HeldAtTheLastSync(), options, sources)

        assert files_below(options.base_directory) == []


class Held(FileSystem):
    """Waits in one call until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def hold(self) -> None:
        self.entered.set()
        assert self.go_on.wait(30)

    async def held(self) -> None:
        async with asyncio.timeout(30):
            while not self.entered.is_set():
                await asyncio.sleep(0.001)


class HeldWhileCopying(Held):
    blocks = 0

    def link(self, source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    def copy_block(self, source: int, target: int, offset: int, size: int) -> int:
        self.blocks += 1
        copied = super().copy_block(source, target, offset, 1000)
        self.hold()
        return copied


class HeldAtTheLastSync(Held):
    renamed = False

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.renamed = True

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        if self.renamed:
            self.hold()


class TestThePlace:
    async def test_the_directory_is_made_with_all_above_it_for_its_owner_alone(self, options: LocalOptions) -> None:
        await prepared(options)

        assert options.base_directory.stat().st_mode & 0o777 == 0o700

    async def test_new_directories_are_on_the_disk_when_it_is_prepared(self, options: LocalOptions) -> None:
        journal = Journal()

        await prepared(options, journal)

        top = options.base_directory.parent.parent.name
        assert journal.lines[:3] == [f"sync {top}/", "sync new/", "sync store/"]

    async def test_a_place_that_cannot_be_used_says_what_to_do(self, options: LocalOptions) -> None:
        options.base_directory.parent.mkdir()
        options.base_directory.write_text("a file")

        with pytest.raises(ConfigurationError, match="cannot keep files: Not a directory; name another directory"):
            await prepared(options)

    async def test_preparing_leaves_no_file(self, options: LocalOptions) -> None:
        await prepared(options)

        assert files_below(options.base_directory) == []

    async def test_names_that_are_not_objects_are_not_listed(self, options: LocalOptions, sources: Sources) -> None:
        backend, source = await prepared(options), sources.of(b"hello")
        data = await backend.store(source.file, source.path)
        directory = options.base_directory / data["key"][:2]
        (directory / "README").write_text("not an object")
        (directory / ("0" * 64 + "-" + "0" * 16)).mkdir()
        (options.base_directory / "lost+found").mkdir()

        assert [entry.data async for entry in backend.entries()] == [data]

    async def test_more_objects_than_fit_into_one_batch_are_listed(
        self, options: LocalOptions, sources: Sources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("debusine_filestore_local.backend.BATCH", 2)
        backend = await prepared(options)
        for number in range(5):
            source = sources.of(str(number).encode())
            await backend.store(source.file, source.path)

        assert len([entry async for entry in backend.entries()]) == 5

    async def test_only_what_has_been_on_its_way_for_long_is_swept(
        self, options: LocalOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = await prepared(options)
        (options.base_directory / "incoming" / "left-over").write_text("half an object")

        assert await backend.tidy([]) == 0
        monkeypatch.setattr("debusine_filestore_local.backend.ABANDONED", timedelta(seconds=-1))
        assert await backend.tidy([]) == 1
        assert files_below(options.base_directory) == []

    async def test_directories_of_a_start_that_was_killed_are_synced_by_the_next(self, options: LocalOptions) -> None:
        (options.base_directory / "incoming").mkdir(parents=True)
        journal = Journal()

        await prepared(options, journal)

        assert journal.lines[:2] == ["sync new/", "sync store/"]

    async def test_probing_leaves_no_file(self, options: LocalOptions) -> None:
        backend = await prepared(options)

        await backend.probe()

        assert files_below(options.base_directory) == []

    async def test_probing_makes_no_directory(self, options: LocalOptions) -> None:
        options.base_directory.mkdir(parents=True)

        with pytest.raises(Unavailable, match="cannot be used just now: No such file or directory"):
            await LocalFileStore(options).probe()

        assert list(options.base_directory.iterdir()) == []

    @pytest.mark.parametrize(
        "other", ["store", "x/../store", "link/store", "store/inside", "link/store/inside/deeper", ""]
    )
    @pytest.mark.parametrize("there", [True, False])
    def test_one_place_by_two_names_is_seen(self, tmp_path: Path, other: str, there: bool) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "link").symlink_to(tmp_path)
        if there:
            (tmp_path / "store" / "inside").mkdir(parents=True)
        one, two = (LocalFileStore(LocalOptions(base_directory=tmp_path / name)) for name in ("store", other))

        assert one.shares_place_with(two)
        assert two.shares_place_with(one)

    @pytest.mark.parametrize("there", [True, False])
    def test_two_places_are_two(self, tmp_path: Path, there: bool) -> None:
        if there:
            (tmp_path / "store").mkdir()
            (tmp_path / "store2").mkdir()
        one, two = (LocalFileStore(LocalOptions(base_directory=tmp_path / name)) for name in ("store", "store2"))

        assert not one.shares_place_with(two)

    def test_a_relative_directory_is_refused(self) -> None:
        with pytest.raises(InvalidFields, match="base_directory must be an absolute path, not 'store'"):
            structure({"base_directory": "store"}, LocalOptions)
