"""Parts of local files, as boto3 wants what it sends."""

import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from debusine.plugin import Invalid, WriteFailed, check_cancelled

#: Bytes that are read in one go where nobody asks for less.
BLOCK = 1 << 20

#: Bytes that are read in one go where somebody asks for less: what sends them asks for 16 KiB at a time, takes what it
#: gets, and would wait for the interpreter twice for each.
LEAST = 256 << 10


class SourceChanged(Invalid):
    """The local file is not what it was said to be."""

    def __init__(self, source: Path, size: int, expected: int) -> None:
        super().__init__(f"{source} has {size} bytes, not the {expected} that were verified")


class Slice:
    """So many bytes of a local file, never held whole; sent again after ``seek(0)``.

    A reading ends at once, with ``CancelledError``, when nobody waits for what it is a part of.
    """

    def __init__(self, source: Path, start: int, length: int) -> None:
        self.source = source
        self.start = start
        self.length = length
        self._position = 0
        self._descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)

    def __len__(self) -> int:
        return self.length

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, none at the end; at most so many, or as many as are worth a reading."""
        check_cancelled()
        left = self.length - self._position
        wanted = left if size is None or size < 0 else min(max(size, LEAST), left)
        block = self._pread(wanted) if wanted else b""
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the slice."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.length}[whence]
        return self._position

    def tell(self) -> int:
        """The place in the slice."""
        return self._position

    def crc32(self) -> int:
        """The checksum of all of it."""
        running = 0
        self.seek(0)
        while block := self.read(BLOCK):
            running = zlib.crc32(block, running)
        self.seek(0)
        return running

    def _pread(self, size: int) -> bytes:
        at = self.start + self._position
        try:
            block = os.pread(self._descriptor, size, at)
        except OSError as error:
            raise WriteFailed(self.source, error.strerror or str(error)) from error
        if not block:
            raise SourceChanged(self.source, os.fstat(self._descriptor).st_size, self.start + self.length)
        return block


def check_size(source: Path, size: int) -> None:
    """Raise ``SourceChanged`` when a local file has not the size that was verified."""
    found = source.stat().st_size
    if found != size:
        raise SourceChanged(source, found, size)
