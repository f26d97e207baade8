"""Real file systems that are full, read-only, away or broken: writes are refused, reads go on, and it passes."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from debusine.plugin import Damaged, Finding, Grade, StorageFull, StoreData, Unavailable, WriteFailed, now
from debusine.testing import Source, Sources
from tests.disk import Disk, served
from tests.mounts import CannotMount, Mounts, make_ext4, private_mounts

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounts]:
    """A namespace for the mounts of all tests."""
    try:
        with private_mounts(tmp_path_factory.mktemp("mounts")) as found:
            found.unmount(found.ext4(8 * MIB))  # there are loop devices
            yield found
    except CannotMount as error:
        pytest.skip(str(error))


@pytest.fixture
def uploads(tmp_path: Path) -> Sources:
    """What comes from another file system than the store's, so that it is copied."""
    return Sources(tmp_path)


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request: pytest.FixtureRequest, mounts: Mounts) -> Iterator[Path]:
    """A file system with room for a few MiB and a few files."""
    if request.param == "tmpfs":
        path = mounts.tmpfs("size=8m,nr_inodes=40")
    else:
        path = mounts.ext4(16 * MIB, "-N", "64", "-m", "0")
    yield path
    mounts.unmount(path)


async def prepared(directory: Path) -> LocalFileStore:
    backend = LocalFileStore(LocalOptions(base_directory=directory / "store"))
    await backend.prepare()
    return backend


@frozen
class Kept:
    """An object that was stored before anything went wrong."""

    backend: LocalFileStore
    source: Source
    data: StoreData

    @classmethod
    async def on(cls, directory: Path, sources: Sources) -> "Kept":
        backend, source = await prepared(directory), sources.of_size(100 * KIB)
        return cls(backend, source, await backend.store(source.file, source.path))

    async def is_all_there_is(self) -> bool:
        """Whether it can be read and listed as ever, and no other file is in the store, by whatever name."""
        found = [path for path in self.backend.options.base_directory.rglob("*") if path.is_file()]
        listed = [entry.data async for entry in self.backend.entries()]
        whole = await self.backend.verify(self.source.file, self.data) == self.source.file.digest
        return whole and listed == [self.data] and found == [self.backend.local_path(self.source.file, self.data)]


async def store(backend: LocalFileStore, source: Source, way: str) -> StoreData:
    if way == "content":
        return backend.store_content(source.file, source.content)
    return await backend.store(source.file, source.path)


def use_all_room(directory: Path) -> Path:
    filler = directory / "filler"
    with filler.open("wb") as stream, full():
        while True:
            stream.write(bytes(64 * KIB))
            stream.flush()
            os.fsync(stream.fileno())
    return filler


def use_all_names(directory: Path) -> list[Path]:
    made: list[Path] = []
    with full():
        while True:
            path = directory / f"empty-{len(made)}"
            path.touch()
            made.append(path)
    return made


@contextmanager
def full() -> Iterator[None]:
    """The block goes on until there is no room."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        yield


class TestFull:
    @pytest.mark.parametrize("way", ["copy", "content"])
    async def test_without_space_only_writing_ends_and_until_there_is_some(
        self, small: Path, uploads: Sources, way: str
    ) -> None:
        kept, more = await Kept.on(small, uploads), uploads.of_size(MIB)
        filler = use_all_room(small)

        with pytest.raises(StorageFull, match=f"There is no room for {MIB} bytes"):
            await store(kept.backend, more, way)

        assert await kept.is_all_there_is()
        await kept.backend.probe()  # what can be read is not away
        await LocalFileStore(kept.backend.options).prepare()  # nor does a start need room
        filler.unlink()
        data = await store(kept.backend, more, way)
        assert await kept.backend.verify(more.file, data) == more.file.digest

    @pytest.mark.parametrize("way", ["link", "copy", "content"])
    async def test_without_inodes_only_writing_ends_and_until_there_are_some(
        self, small: Path, uploads: Sources, way: str
    ) -> None:
        kept = await Kept.on(small, uploads)
        more = (Sources(small) if way == "link" else uploads).of(b"another directory is needed")
        names = use_all_names(small)

        with pytest.raises(StorageFull, match="no inode is free"):
            await store(kept.backend, more, way)

        assert await kept.is_all_there_is()
        await kept.backend.probe()
        await LocalFileStore(kept.backend.options).prepare()
        for name in names:
            name.unlink()
        data = await store(kept.backend, more, way)
        assert await kept.backend.verify(more.file, data) == more.file.digest

    async def test_removing_makes_room(self, small: Path, uploads: Sources) -> None:
        backend = await prepared(small)
        large, other = uploads.of_size(3 * MIB), uploads.of_size(2 * MIB)
        data = await backend.store(large.file, large.path)
        use_all_room(small)
        with pytest.raises(StorageFull):
            await backend.store(other.file, other.path)

        await backend.remove(large.file, data)

        await backend.store(other.file, other.path)

    async def test_a_new_store_without_an_inode_says_so(self, small: Path) -> None:
        use_all_names(small)

        with pytest.raises(Unavailable, match=f"^{small}/store cannot keep files just now: no inode is free$"):
            await prepared(small)


class TestReadOnly:
    @pytest.mark.parametrize("way", ["link", "copy", "content"])
    async def test_reading_goes_on_and_writing_when_it_is_over(
        self, mounts: Mounts, small: Path, uploads: Sources, way: str
    ) -> None:
        kept = await Kept.on(small, uploads)
        more = (Sources(small) if way == "link" else uploads).of_size(KIB)
        mounts.remount(small, "ro")

        with pytest.raises(Unavailable, match="cannot be used just now: Read-only file system"):
            await store(kept.backend, more, way)
        with pytest.raises(Unavailable, match="Read-only"):
            await kept.backend.remove(kept.source.file, kept.data)
        with pytest.raises(Unavailable, match="Read-only"):
            await kept.backend.probe()
        with pytest.raises(Unavailable, match="just now: Read-only file system; see the kernel's log for why"):
            await LocalFileStore(kept.backend.options).prepare()

        assert await kept.is_all_there_is()
        mounts.remount(small, "rw")
        await kept.backend.probe()
        data = await store(kept.backend, more, way)
        assert await kept.backend.verify(more.file, data) == more.file.digest


class TestAway:
    async def test_a_disk_that_is_not_mounted_stays_away_and_untouched_until_it_is_back(
        self, mounts: Mounts, uploads: Sources
    ) -> None:
        place = mounts.directory()
        image = place.with_suffix(".image")
        make_ext4(image, 16 * MIB)
        mounts.mount(mounts.seen_inside(image), place, "-o", "loop")
        kept = await Kept.on(place, uploads)
        mounts.unmount(place)

        for attempt in (kept.backend.probe(), kept.backend.tidy([]), kept.backend.stat(kept.source.file, kept.data)):
            with pytest.raises(Unavailable, match="cannot be used just now: No such file or directory"):
                await attempt
        with pytest.raises(Unavailable):
            _ = [entry async for entry in kept.backend.entries()]
        with pytest.raises(Unavailable):
            await kept.backend.store(kept.source.file, kept.source.path)

        assert list(place.iterdir()) == []
        mounts.mount(mounts.seen_inside(image), place, "-o", "loop")
        await kept.backend.probe()
        assert await kept.is_all_there_is()
        mounts.unmount(place)


class TestABrokenDisk:
    @pytest.fixture
    def disk(self, mounts: Mounts, tmp_path: Path) -> Iterator[tuple[Disk, Path]]:
        """A disk that fails on demand, and the file system on it."""
        image, place = tmp_path / "image", mounts.directory()
        make_ext4(image, 16 * MIB)
        disk = Disk(image.read_bytes())
        try:
            with served(disk, mounts) as device:
                mounts.mount(device, place, "-o", "loop")
                yield disk, place
                mounts.unmount(place)
        except CannotMount as error:
            pytest.skip(str(error))

    @pytest.mark.parametrize("way", ["copy", "content"])
    async def test_bytes_that_did_not_get_there_are_refused_and_reading_goes_on(
        self, disk: tuple[Disk, Path], uploads: Sources, way: str
    ) -> None:
        kept, more = await Kept.on(disk[1], uploads), uploads.of_size(MIB)
        disk[0].failing = {"write"}

        with pytest.raises(WriteFailed, match="Input/output error"):
            await store(kept.backend, more, way)

        assert await kept.is_all_there_is()

    async def test_a_flush_that_fails_is_not_believed(self, disk: tuple[Disk, Path], uploads: Sources) -> None:
        kept, more = await Kept.on(disk[1], uploads), Sources(disk[1]).of_size(MIB)
        disk[0].failing = {"flush"}

        with pytest.raises(WriteFailed):
            await kept.backend.store(more.file, more.path)

        assert await kept.backend.verify(kept.source.file, kept.data) == kept.source.file.digest
        with pytest.raises(Unavailable):  # the file system has given itself up, as it says in the kernel's log
            await kept.backend.probe()

    async def test_a_sector_that_cannot_be_read_is_damage(self, disk: tuple[Disk, Path], uploads: Sources) -> None:
        kept = await Kept.on(disk[1], uploads)
        path = kept.backend.local_path(kept.source.file, kept.data)
        assert path is not None
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
        disk[0].failing = {"read"}

        with pytest.raises(Damaged, match="Input/output error"):
            await kept.backend.verify(kept.source.file, kept.data)


class TestTwoFileSystems:
    async def test_an_upload_on_another_file_system_is_copied(self, small: Path, uploads: Sources) -> None:
        kept = await Kept.on(small, uploads)
        path = kept.backend.local_path(kept.source.file, kept.data)

        assert path is not None
        assert path.stat().st_nlink == kept.source.path.stat().st_nlink == 1
        assert path.stat().st_dev != kept.source.path.stat().st_dev
        assert await kept.is_all_there_is()

    async def test_two_names_of_one_place_are_seen(self, mounts: Mounts, small: Path) -> None:
        again = mounts.directory()
        mounts.mount(mounts.seen_inside(small), again, "--bind")

        def shares(one: Path, other: Path) -> bool:
            return LocalFileStore(LocalOptions(base_directory=one)).shares_place_with(
                LocalFileStore(LocalOptions(base_directory=other))
            )

        try:
            assert shares(small, again)
            assert shares(small / "new", again / "new")
            assert shares(again / "new" / "deeper", small / "new")
            assert not shares(small / "new", again / "other")
        finally:
            mounts.unmount(again)


class TestExamining:
    async def found(self, directory: Path) -> dict[str, Finding]:
        return {finding.what: finding async for finding in (await prepared(directory)).examine()}

    async def test_a_disk_is_good(self, mounts: Mounts) -> None:
        place = mounts.ext4(32 * MIB)

        found = await self.found(place)

        assert {what: finding.grade for what, finding in found.items()} == dict.fromkeys(found, Grade.GOOD)
        assert found["kind of file system"].detail == "ext2/ext3"
        mounts.unmount(place)

    async def test_memory_is_no_place_for_files(self, mounts: Mounts) -> None:
        place = mounts.tmpfs("size=8m")

        found = await self.found(place)

        assert found["kind of file system"].grade is Grade.WRONG
        assert "a power cut takes all files" in found["kind of file system"].detail
        mounts.unmount(place)

    async def test_a_full_disk_is_told_of_and_still_relied_on(self, small: Path) -> None:
        backend = await prepared(small)
        use_all_names(small)

        found = {finding.what: finding async for finding in backend.examine()}

        assert found["space"].grade is Grade.LACKING
        assert "0 inodes free: it is nearly full" in found["space"].detail
        assert found["fsync"].grade is Grade.LACKING


async def test_left_overs_of_a_full_disk_are_swept(small: Path, uploads: Sources) -> None:
    kept = await Kept.on(small, uploads)
    (kept.backend.options.base_directory / "incoming" / "left-over").touch()
    use_all_room(small)

    assert await kept.backend.tidy([]) == 0
    assert kept.backend._objects.sweep(now()) == 1
