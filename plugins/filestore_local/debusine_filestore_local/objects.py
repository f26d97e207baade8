"""A directory of objects, each whole or not there; plain blocking functions."""

import contextlib
import errno
import os
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from debusine.plugin import (
    File,
    Invalid,
    ObjectKey,
    StoredEntry,
    StoredObject,
    check_cancelled,
    data_of,
    is_key,
    new_key,
)
from debusine_filestore_local.filesystem import FULL, FileSystem
from debusine_filestore_local.places import place_of

#: Bytes copied between two looks at whether anybody still waits.
COPY_BLOCK = 8 << 20

#: No second name is possible: another file system, one without links, one that forbids them, or too many already.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP}


class SourceChanged(Invalid):
    """The local file is not what it was said to be."""

    def __init__(self, source: Path, size: int, expected: int) -> None:
        super().__init__(f"{source} has {size} bytes, not the {expected} that were verified")


class Objects:
    """The objects below a base directory, and ``incoming/`` for those that are on their way.

    An object's bytes are on the disk before its name is, and the name before ``add`` returns.
    """

    def __init__(self, base: Path, filesystem: FileSystem) -> None:
        self.base = base
        self.incoming = base / "incoming"
        self.filesystem = filesystem
        #: Directories whose own names were synced by this process.
        self._durable: set[str] = set()

    def path(self, key: ObjectKey) -> Path:
        """Where an object is, or would be."""
        return self.base / place_of(key)

    def trial(self) -> Path:
        """A new name on the way, for what never becomes an object."""
        return self.incoming / new_key(File(sha256=bytes(32), size=0))

    def add(self, file: File, source: Path, key: ObjectKey) -> None:
        """Keep the bytes of a local file; when this raises, nothing of it stays."""
        with self._arriving(key) as arriving:
            self._fill(arriving, file, source)

    def add_content(self, content: bytes, key: ObjectKey) -> None:
        """Keep bytes that are in memory; when this raises, nothing of it stays."""
        with self._arriving(key) as arriving:
            self._write(content, arriving)

    def discard(self, key: ObjectKey) -> None:
        """Let go of all that there may be of an object; what cannot be removed is left to the sweep."""
        for path in (self.incoming / key, self.path(key)):
            with contextlib.suppress(OSError):
                self.filesystem.unlink(path)

    def remove(self, key: ObjectKey) -> None:
        """Let go of an object that is there. Not synced: an object that a power cut brings back has no row."""
        self.filesystem.unlink(self.path(key))

    def stat(self, key: ObjectKey) -> StoredObject:
        """Size and age of an object."""
        found = self.path(key).stat(follow_symlinks=False)
        return StoredObject(size=found.st_size, modified=_changed(found))

    def walk(self) -> Generator[StoredEntry, None, None]:
        """All objects; names that are not those of objects do not count."""
        self.incoming.stat()  # a disk that is not mounted holds nothing either, and yet nothing is lost
        for directory in _directories(self.base):
            yield from _objects(directory)

    def sweep(self, before: datetime) -> int:
        """Remove what has been on its way since before a moment: whoever brought it is gone. Returns how many."""
        swept = 0
        with os.scandir(self.incoming) as names:
            for entry in names:
                with contextlib.suppress(FileNotFoundError):
                    if _changed(entry.stat(follow_symlinks=False)) < before:
                        self.filesystem.unlink(Path(entry.path))
                        swept += 1
        return swept

    def prepare(self) -> None:
        """Make the directories, and try whether they take a file."""
        for directory in reversed([self.incoming, self.base, *self.base.parents]):
            self._make_lasting(directory)
        self.try_out()

    def try_out(self) -> None:
        """See whether a file gets to the disk; nothing of it stays. A full place passes: it can be read."""
        try:
            self._write_unnamed(b"?")
        except OSError as error:
            if error.errno not in FULL:
                raise

    def _make_lasting(self, directory: Path) -> None:
        made = _made(directory)
        # Also when it was there: whoever made it may have been killed before it was synced.
        if made or directory in {self.base, self.incoming}:
            with contextlib.nullcontext() if made else contextlib.suppress(OSError):  # not ours to open, perhaps
                self.filesystem.sync_directory(directory.parent)

    def _write_unnamed(self, content: bytes) -> None:
        path = self.trial()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self.filesystem.unlink(path)
            self.filesystem.write(descriptor, memoryview(content))
            self.filesystem.sync(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _arriving(self, key: ObjectKey) -> Iterator[Path]:
        """Where the block must leave the bytes, synced; they become an object at its end."""
        arriving = self.incoming / key
        try:
            yield arriving
            self._publish(arriving, self.path(key))
        except BaseException:
            self.discard(key)
            raise

    def _write(self, content: bytes, arriving: Path) -> None:
        target = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(content)
            while left:
                left = left[self.filesystem.write(target, left) :]
            self.filesystem.sync(target)
        finally:
            os.close(target)

    def _fill(self, arriving: Path, file: File, source: Path) -> None:
        descriptor = os.open(source, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            if size != file.size:
                raise SourceChanged(source, size, file.size)
            if self._linked(source, arriving, descriptor):
                self.filesystem.sync(descriptor)
            else:
                self._copy(descriptor, arriving, file.size)
        finally:
            os.close(descriptor)

    def _linked(self, source: Path, arriving: Path, descriptor: int) -> bool:
        try:
            self.filesystem.link(source, arriving)
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        if os.path.samestat(arriving.lstat(), os.fstat(descriptor)):
            return True
        self.filesystem.unlink(arriving)  # the link of a symbolic link, or of a name that was just given away
        return False

    def _copy(self, descriptor: int, arriving: Path, size: int) -> None:
        target = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            offset = 0
            while copied := self.filesystem.copy_block(descriptor, target, offset, COPY_BLOCK):
                offset += copied
                check_cancelled()
            if offset != size:
                raise SourceChanged(arriving, offset, size)
            self.filesystem.sync(target)
        finally:
            os.close(target)

    def _publish(self, arriving: Path, path: Path) -> None:
        check_cancelled()
        self._make_parent(path.parent)
        self.filesystem.rename(arriving, path)
        self.filesystem.sync_directory(path.parent)

    def _make_parent(self, directory: Path) -> None:
        if _made(directory) or directory.name not in self._durable:
            # Also when it was there: whoever made it may not have come to this line yet.
            self.filesystem.sync_directory(directory.parent)
            self._durable.add(directory.name)


def _made(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def _directories(parent: Path) -> list[Path]:
    with os.scandir(parent) as names:
        return sorted(Path(entry.path) for entry in names if _is_level(entry))


def _is_level(entry: os.DirEntry[str]) -> bool:
    return len(entry.name) == 2 and entry.is_dir(follow_symlinks=False)


def _objects(directory: Path) -> Iterator[StoredEntry]:
    with os.scandir(directory) as names:
        for entry in names:
            with contextlib.suppress(FileNotFoundError):
                if is_key(entry.name) and entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    yield StoredEntry(data=data_of(ObjectKey(entry.name)), size=found.st_size, modified=_changed(found))


def _changed(found: os.stat_result) -> datetime:
    # Not st_mtime: a linked object has that of its source, and would look old enough to be an orphan.
    return datetime.fromtimestamp(found.st_ctime, UTC)
