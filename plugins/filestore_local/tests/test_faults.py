"""Every call on the disk fails in turn: nothing stays, nothing lies, and the next attempt is a new one."""

import errno
import os
import pwd
from pathlib import Path

import pytest
from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem

from debusine.plugin import (
    ConfigurationError,
    Damaged,
    FileMissing,
    Finding,
    Grade,
    StorageFull,
    Unavailable,
    WriteFailed,
    now,
)
from debusine.testing import Source, Sources

MIB = 1 << 20


class FailingFileSystem(FileSystem):
    """Fails in one call, as long as it is told to."""

    def __init__(self, call: str, number: int, *, links: bool = True) -> None:
        self.call = call
        self.number = number
        self.links = links
        self.failing = True
        self.calls: list[str] = []

    def link(self, source: Path, target: Path) -> None:
        self._pass("link")
        if not self.links:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        super().link(source, target)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        self._pass("read")
        return super().read(descriptor, size, offset)

    def copy_block(self, source: int, target: int, offset: int, size: int) -> int:
        copied = super().copy_block(source, target, offset, 1000)
        if offset:
            self._pass("copy_block")
        return copied

    def write(self, descriptor: int, data: memoryview) -> int:
        self._pass("write")
        return super().write(descriptor, data[:1000])

    def sync(self, descriptor: int) -> None:
        self._pass("sync")
        super().sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        # Those before the rename are of directories; the last one is of the object's own name.
        self._pass("sync_name" if "rename" in self.calls else "sync_directory")
        super().sync_directory(path)

    def rename(self, source: Path, target: Path) -> None:
        self._pass("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._pass("unlink")
        super().unlink(path)

    def _pass(self, call: str) -> None:
        self.calls.append(call)
        if self.failing and call == self.call:
            raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    directory = tmp_path / "uploads"
    directory.mkdir()
    return Sources(directory)


async def store_on(filesystem: FileSystem, tmp_path: Path) -> LocalFileStore:
    """A store that was in order when it was prepared."""
    options = LocalOptions(base_directory=tmp_path / "store")
    await LocalFileStore(options).prepare()
    return LocalFileStore(options, filesystem)


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


WRITES = [
    ("link", True),
    ("sync", True),
    ("sync_directory", True),
    ("rename", True),
    ("sync_name", True),
    ("copy_block", False),
    ("sync", False),
    ("rename", False),
    ("sync_name", False),
]


class TestStoring:
    @pytest.mark.parametrize(("call", "links"), WRITES)
    @pytest.mark.parametrize(
        ("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, WriteFailed)]
    )
    async def test_a_failing_call_leaves_nothing_and_says_what_it_was(
        self, tmp_path: Path, sources: Sources, call: str, links: bool, number: int, error: type[Exception]
    ) -> None:
        backend = await store_on(FailingFileSystem(call, number, links=links), tmp_path)
        source = sources.of_size(5000)

        with pytest.raises(error):
            await backend.store(source.file, source.path)

        assert files_below(tmp_path / "store") == []
        assert source.path.read_bytes() == source.content

    @pytest.mark.parametrize("call", ["write", "sync", "sync_directory", "rename", "sync_name"])
    @pytest.mark.parametrize(
        ("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, WriteFailed)]
    )
    async def test_a_call_that_fails_for_content_leaves_nothing_and_is_not_tried_again(
        self, tmp_path: Path, sources: Sources, call: str, number: int, error: type[Exception]
    ) -> None:
        filesystem = FailingFileSystem(call, number)
        backend = await store_on(filesystem, tmp_path)
        source = sources.of_size(5000)

        with pytest.raises(error):
            backend.store_content(source.file, source.content)

        assert files_below(tmp_path / "store") == []
        assert filesystem.calls.count(call) == 1

    async def test_content_that_the_system_takes_piece_by_piece_is_kept_whole(
        self, tmp_path: Path, sources: Sources
    ) -> None:
        filesystem = FailingFileSystem("nothing", errno.EIO)
        backend = await store_on(filesystem, tmp_path)
        source = sources.of_size(5000)

        data = backend.store_content(source.file, source.content)

        assert filesystem.calls == ["write"] * 5 + ["sync", "sync_directory", "rename", "sync_name"]
        assert (await backend.verify(source.file, data)) == source.file.digest

    @pytest.mark.parametrize("call", ["sync", "sync_name"])
    async def test_a_failed_fsync_is_not_tried_again(self, tmp_path: Path, sources: Sources, call: str) -> None:
        filesystem = FailingFileSystem(call, errno.EIO)
        backend = await store_on(filesystem, tmp_path)
        source = sources.of_size(5000)

        with pytest.raises(WriteFailed, match="send it again"):
            await backend.store(source.file, source.path)

        assert filesystem.calls.count(call) == 1

    @pytest.mark.parametrize("links", [True, False])
    async def test_when_space_returns_nothing_needs_an_operator(
        self, tmp_path: Path, sources: Sources, links: bool
    ) -> None:
        filesystem = FailingFileSystem("rename", errno.ENOSPC, links=links)
        backend = await store_on(filesystem, tmp_path)
        source = sources.of_size(5000)
        with pytest.raises(StorageFull, match="no room for 5000 bytes"):
            await backend.store(source.file, source.path)

        filesystem.failing = False
        data = await backend.store(source.file, source.path)

        assert (await backend.verify(source.file, data)) == source.file.digest

    async def test_reading_goes_on_while_the_disk_is_full(self, tmp_path: Path, sources: Sources) -> None:
        filesystem = FailingFileSystem("rename", errno.ENOSPC)
        filesystem.failing = False
        backend = await store_on(filesystem, tmp_path)
        source = sources.of_size(5000)
        data = await backend.store(source.file, source.path)
        filesystem.failing = True

        assert (await backend.verify(source.file, data)) == source.file.digest

    async def test_what_cannot_be_cleaned_up_is_not_listed_and_swept_later(
        self, tmp_path: Path, sources: Sources
    ) -> None:
        class Hopeless(FailingFileSystem):
            def rename(self, source: Path, target: Path) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        backend = await store_on(Hopeless("unlink", errno.EIO), tmp_path)
        source = sources.of_size(5000)
        with pytest.raises(StorageFull):
            await backend.store(source.file, source.path)

        assert len(files_below(tmp_path / "store")) == 1
        assert [entry async for entry in backend.entries()] == []
        sound = LocalFileStore(backend.options)
        assert sound._objects.sweep(now()) == 1
        assert files_below(tmp_path / "store") == []

    async def test_a_read_only_file_system_is_away_and_not_full(self, tmp_path: Path, sources: Sources) -> None:
        backend = await store_on(FailingFileSystem("rename", errno.EROFS), tmp_path)
        source = sources.of_size(10)

        with pytest.raises(Unavailable, match="cannot be used just now: Read-only file system"):
            await backend.store(source.file, source.path)


class TestThePlace:
    @pytest.mark.parametrize("call", ["unlink", "write", "sync"])
    async def test_a_probe_that_fails_says_why(self, tmp_path: Path, call: str) -> None:
        backend = await store_on(FailingFileSystem(call, errno.EIO), tmp_path)

        with pytest.raises(Unavailable, match="cannot be used just now: Input/output error"):
            await backend.probe()

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    async def test_a_full_disk_is_not_away(self, tmp_path: Path, number: int) -> None:
        backend = await store_on(FailingFileSystem("write", number), tmp_path)

        await backend.probe()
        await backend.prepare()

        assert files_below(tmp_path / "store") == []

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
    async def test_a_start_that_may_not_write_says_what_to_run(self, tmp_path: Path, number: int) -> None:
        backend = await store_on(FailingFileSystem("write", number), tmp_path)

        with pytest.raises(ConfigurationError) as error:
            await backend.prepare()

        user, base = pwd.getpwuid(os.geteuid()).pw_name, tmp_path / "store"
        assert str(error.value) == (
            f"{base} cannot keep files: {user} may not write there; run: install -d -o {user} -m 700 {base}"
        )

    @pytest.mark.parametrize(
        ("number", "reason"), [(errno.EROFS, "Read-only file system; see the"), (errno.EIO, "Input/output error")]
    )
    async def test_a_start_on_a_disk_that_fails_may_be_tried_again(
        self, tmp_path: Path, number: int, reason: str
    ) -> None:
        backend = await store_on(FailingFileSystem("sync", number), tmp_path)

        with pytest.raises(Unavailable, match=f"store cannot keep files just now: {reason}"):
            await backend.prepare()


class TestExamining:
    async def found(self, tmp_path: Path, filesystem: FileSystem) -> dict[str, Finding]:
        backend = await store_on(filesystem, tmp_path)
        return {finding.what: finding async for finding in backend.examine()}

    async def test_it_leaves_nothing(self, tmp_path: Path) -> None:
        found = await self.found(tmp_path, FileSystem())

        assert found["fsync"].grade is found["hard links"].grade is found["rights"].grade is Grade.GOOD
        assert files_below(tmp_path / "store") == []

    @pytest.mark.parametrize("call", ["write", "sync", "sync_directory"])
    async def test_a_sync_that_fails_is_wrong(self, tmp_path: Path, call: str) -> None:
        found = await self.found(tmp_path, FailingFileSystem(call, errno.EIO))

        assert found["fsync"] == Finding(what="fsync", grade=Grade.WRONG, detail="Input/output error")
        assert files_below(tmp_path / "store") == []

    async def test_without_links_each_upload_is_copied(self, tmp_path: Path) -> None:
        found = await self.found(tmp_path, FailingFileSystem("link", errno.EPERM))

        assert found["hard links"].grade is Grade.LACKING
        assert found["hard links"].detail == "Operation not permitted: each upload is copied"
        assert files_below(tmp_path / "store") == []

    @pytest.mark.parametrize(
        ("mode", "grade"), [(0o700, Grade.GOOD), (0o755, Grade.LACKING), (0o770, Grade.LACKING), (0o777, Grade.WRONG)]
    )
    async def test_what_others_may_do_is_told(self, tmp_path: Path, mode: int, grade: Grade) -> None:
        backend = await store_on(FileSystem(), tmp_path)
        (tmp_path / "store").chmod(mode)

        found = {finding.what: finding async for finding in backend.examine()}

        assert found["rights"].grade is grade
        assert f"has the mode {mode:04o}" in found["rights"].detail

    async def test_a_disk_that_is_away_is_wrong(self, tmp_path: Path) -> None:
        backend = await store_on(FileSystem(), tmp_path)
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        (tmp_path / "store").mkdir()

        found = {finding.what: finding async for finding in backend.examine()}

        assert found["fsync"].grade is Grade.WRONG
        assert found["fsync"].detail == "No such file or directory"
        assert files_below(tmp_path / "store") == []


class TestReading:
    async def stored(
        self, tmp_path: Path, sources: Sources, filesystem: FileSystem | None = None
    ) -> tuple[LocalFileStore, Source, dict[str, str], Path]:
        backend = await store_on(filesystem or FileSystem(), tmp_path)
        source = sources.of_size(2 * MIB)
        data = await backend.store(source.file, source.path)
        source.path.unlink()
        path = backend.local_path(source.file, data)
        assert path is not None
        return backend, source, data, path

    async def test_an_object_of_the_wrong_size_is_never_served(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, path = await self.stored(tmp_path, sources)
        os.truncate(path, MIB)

        with pytest.raises(Damaged, match=f"has {MIB} bytes instead of {2 * MIB}"):
            async with backend.open(source.file, data):
                pass

    async def test_an_object_that_shrinks_is_not_ended_in_silence(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, path = await self.stored(tmp_path, sources)

        async with backend.open(source.file, data) as chunks:
            await anext(chunks)
            os.truncate(path, MIB)
            with pytest.raises(Damaged, match=f"ends at byte {MIB}"):
                await anext(chunks)

    async def test_verify_tells_the_true_size_of_a_damaged_object(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, path = await self.stored(tmp_path, sources)
        os.truncate(path, MIB)

        assert (await backend.verify(source.file, data)).size == MIB

    async def test_a_bad_sector_is_damage(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, _ = await self.stored(tmp_path, sources, FailingFileSystem("read", errno.EIO))

        async with backend.open(source.file, data) as chunks:
            with pytest.raises(Damaged, match="Input/output error"):
                await anext(chunks)

    async def test_a_disk_that_is_not_mounted_has_lost_nothing(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, _ = await self.stored(tmp_path, sources)
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        (tmp_path / "store").mkdir()

        with pytest.raises(Unavailable, match="cannot be used just now"):
            await backend.stat(source.file, data)
        with pytest.raises(Unavailable):
            await backend.remove(source.file, data)
        with pytest.raises(Unavailable):
            _ = [entry async for entry in backend.entries()]
        with pytest.raises(Unavailable):
            await backend.tidy([])
        new = sources.of_size(10)
        with pytest.raises(Unavailable):
            await backend.store(new.file, new.path)

    async def test_a_name_that_is_a_symbolic_link_is_not_followed(self, tmp_path: Path, sources: Sources) -> None:
        backend, source, data, path = await self.stored(tmp_path, sources)
        (tmp_path / "secret").write_bytes(source.content)
        path.unlink()
        path.symlink_to(tmp_path / "secret")

        with pytest.raises(FileMissing):
            await backend.verify(source.file, data)

    @pytest.mark.parametrize("key", ["../../secret", "", None, 7, "a" * 64, "A" * 64 + "-" + "0" * 16])
    async def test_only_keys_are_looked_for(self, tmp_path: Path, sources: Sources, key: object) -> None:
        backend, source, _, _ = await self.stored(tmp_path, sources)

        with pytest.raises(FileMissing):
            await backend.stat(source.file, {"key": key})
