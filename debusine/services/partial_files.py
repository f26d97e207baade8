"""Partial files: the bytes of one upload so far, on disk, with their running hash; plain blocking functions."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from debusine.domain.errors import StorageFull, Unavailable
from debusine.domain.files import BLOCK, File
from debusine.plugin import WriteFailed

_FULL = {errno.ENOSPC, errno.EDQUOT}


class NoRoom(StorageFull):
    """The disk is full."""

    def __init__(self, directory: Path) -> None:
        super().__init__("There is no room for what was sent", detail=f"The disk of {directory.name}/ is full")


class SpoolFailed(Unavailable):
    """The directory of partial files does not work just now."""

    def __init__(self, reason: str) -> None:
        super().__init__("The directory for uploads does not work just now", detail=reason)


class BytesLost(Exception):
    """Bytes that were acknowledged are not on the disk any more: somebody has removed or shortened the file."""


def new_hash() -> Any:
    """A hash of nothing yet."""
    return hashlib.new(File.current_hash_algorithm)


@frozen
class Known:
    """How many bytes of a partial file are durable, and their hash."""

    received: int = 0
    #: None: to be computed from the file. Never updated, only copied.
    running: Any = field(factory=new_hash)


class PartialFile:
    """One file that is being sent; of one request at a time, which closes it at its end."""

    def __init__(
        self,
        directory: Path,
        name: str,
        known: Known,
        *,
        admit: Callable[[], None] = lambda: None,
        lasting: bool = True,
    ) -> None:
        self.directory = directory
        self.name = name
        self.known = known
        #: Raises when no byte may be written.
        self.admit = admit
        #: Whether it will be synced: if not, it is gone soon, and need never reach the disk.
        self.lasting = lasting
        #: Bytes that were written, durable or not.
        self.written = known.received
        #: Whether a sync has failed: what is on the disk is unknown, and a second sync would lie.
        self.failed = False
        self._running: Any = None
        self._descriptor: int | None = None

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.directory / self.name

    @property
    def hash_digest(self) -> bytes:
        """The hash of all that was written."""
        digest: bytes = self._running.digest()
        return digest

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append to what counts; it is in memory only until ``sync``."""
        with self._errors():
            if self._descriptor is None:
                self._open()
            start = self.written
            for part in parts:
                self._append(part)
            if self.lasting:
                self._hurry(start)

    def put_back(self, content: bytes) -> None:
        """Append bytes that the hash before the first one has already; only at the beginning."""
        with self._errors():
            if self._descriptor is None:
                self._open()
            self._append(content, hashing=False)

    def read(self, start: int) -> bytes:
        """The bytes from a place to the end, which must be few."""
        with self._errors():
            assert self._descriptor is not None
            return os.pread(self._descriptor, self.written - start, start)

    def sync(self) -> None:
        """Have all bytes on the disk, and the first time the name, too: it must be found again."""
        with self._errors():
            self._sync_bytes()
            if self.known.received == 0:
                self._sync_directory()

    def keep(self) -> Known:
        """From now on all that was written counts; nothing more is written here."""
        self.known = Known(self.written, self._running)
        return self.known

    def cut_back(self) -> None:
        """Let go of what does not count; of the whole file when nothing does."""
        try:
            with self._errors():
                if self.known.received == 0:
                    self.path.unlink(missing_ok=True)
                elif self._descriptor is not None:
                    os.ftruncate(self._descriptor, self.known.received)
        finally:
            self.close()

    def remove(self) -> None:
        """Let go of the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> None:
        self.admit()
        if self.known.received == 0:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        else:
            self._reopen()
        self._running = self.known.running.copy() if self.known.running is not None else self._compute()

    def _reopen(self) -> None:
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BytesLost(self.name) from error
        found = os.fstat(self._descriptor)
        if found.st_size < self.known.received:
            raise BytesLost(self.name)
        if found.st_nlink > 1:
            self._leave_link()
        os.ftruncate(self._descriptor, self.known.received)

    def _leave_link(self) -> None:
        # A store was given this file and linked it, and then something failed: its object must never change.
        copy = self.path.with_suffix(".copy")
        target = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        assert self._descriptor is not None
        source, self._descriptor = self._descriptor, target
        offset = 0
        try:
            while offset < self.known.received:
                offset += os.sendfile(target, source, offset, self.known.received - offset)
        finally:
            os.close(source)
        os.fsync(target)
        copy.replace(self.path)
        self._sync_directory()

    def _compute(self) -> Any:
        assert self._descriptor is not None
        running, offset = new_hash(), 0
        while offset < self.known.received:
            block = os.pread(self._descriptor, min(BLOCK, self.known.received - offset), offset)
            if not block:
                raise BytesLost(self.name)
            running.update(block)
            offset += len(block)
        return running

    def _append(self, part: bytes | memoryview, *, hashing: bool = True) -> None:
        assert self._descriptor is not None
        if hashing:
            self._running.update(part)
        view = memoryview(part)
        while view:
            count = os.pwrite(self._descriptor, view, self.written)
            self.written += count
            view = view[count:]

    def _hurry(self, start: int) -> None:
        """Have the disk begin with what was written since ``start``, so that less is left for ``sync`` to wait for."""
        assert self._descriptor is not None
        # The name says the opposite; but what is not on the disk yet is written, and stays in memory.
        os.posix_fadvise(self._descriptor, start, self.written - start, os.POSIX_FADV_DONTNEED)

    def _sync_bytes(self) -> None:
        assert self._descriptor is not None
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self.failed = True
            if error.errno in _FULL:
                raise
            raise WriteFailed("What was sent", error.strerror or str(error)) from error

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise NoRoom(self.directory) from error
            if error.errno == errno.EIO:
                self.failed = True
                raise WriteFailed("What was sent", error.strerror or str(error)) from error
            raise SpoolFailed(error.strerror or str(error)) from error
