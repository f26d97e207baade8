"""Copies of objects: one that is being made, and one that is read."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from debusine.plugin import File, check_cancelled
from debusine_filestore_cache.names import Name

#: Bytes of a chunk: large, because each is one hop to a thread.
BLOCK = 1 << 20


class Identity(NamedTuple):
    """What changes when anybody changes a file or puts another one in its place."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Identity":
        """As the file system tells it."""
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class Copy:
    """A copy that is read; dropping or evicting it does not disturb that. ``close`` may always be called."""

    def __init__(self, name: Name) -> None:
        self.name = name
        self._descriptor = -1

    def open(self, path: Path) -> None:
        """Open the file."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)

    @property
    def identity(self) -> Identity:
        """What it is recognised by."""
        return Identity.of(os.fstat(self._descriptor))

    def read(self, offset: int, size: int) -> bytes:
        """At most a block; nothing when it ends there."""
        return os.pread(self._descriptor, min(size, BLOCK), offset)

    def is_content_of(self, file: File) -> bool:
        """Read all of it, and compare the hash."""
        running, size = hashlib.new(File.current_hash_algorithm), 0
        while block := self.read(size, BLOCK):
            running.update(block)
            size += len(block)
            check_cancelled()
        return size == file.size and running.digest() == file.hash_digest

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Filling:
    """A copy that is being made while somebody reads the object."""

    def __init__(self, name: Name, file: File) -> None:
        self.name = name
        self.file = file
        #: Whether the object is being removed, so that a copy of it must not appear any more.
        self.unwanted = False
        #: Where it is as long as it is no copy; set while there is room for it.
        self.path: Path | None = None
        self._descriptor = -1
        self._running = hashlib.new(File.current_hash_algorithm)
        self._written = 0

    def begin(self, path: Path, descriptor: int) -> None:
        """Take the file in which the copy is to be made."""
        self.path, self._descriptor = path, descriptor

    def claim(self) -> None:
        """Show others by a lock that somebody lives who fills it, and by its size how much room it needs."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._descriptor, self.file.size)

    def write(self, chunk: bytes) -> None:
        """Append the next bytes of the object; none beyond the room that was made."""
        self._running.update(chunk)
        self._written += len(chunk)
        left = memoryview(chunk if self._written <= self.file.size else b"")
        while left:
            left = left[os.write(self._descriptor, left) :]

    @property
    def ends(self) -> bool:
        """Whether all bytes have come, or more."""
        return self._written >= self.file.size

    @property
    def is_right(self) -> bool:
        """Whether the bytes that have come are all those of the file."""
        return self._written == self.file.size and self._running.digest() == self.file.hash_digest

    def identity(self) -> Identity:
        """What the copy is recognised by."""
        return Identity.of(os.fstat(self._descriptor))

    def end(self) -> None:
        """Let go of the file, whatever has become of it."""
        self.path = None
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
