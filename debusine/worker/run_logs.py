"""The logs of a run: written by commands straight to disk, and never larger than a limit."""

import ctypes
import os
from pathlib import Path
from typing import BinaryIO

FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2

BLOCK = 1 << 20

MARKER = "\n[... %d bytes are left out here: the log was longer than %d bytes ...]\n"
#: Bytes; no marker is longer.
MARKER_ROOM = 128


class RunLog:
    """A log that keeps its beginning and its end, and gives the disk back what lies between.

    Commands append to it by themselves, so nobody can stop a write; ``check`` is called again and again meanwhile.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._head = limit // 2
        #: Bytes cut off at the end, where the file system knows no holes.
        self._cut = 0

    def check(self) -> None:
        """Let go of the middle when the log is too long; the running command notices nothing."""
        if (size := self._size()) <= self._limit:
            return
        with self.path.open("r+b") as stream:
            try:
                _punch_hole(stream.fileno(), self._head, size - self._limit)
            except OSError:
                stream.truncate(self._head)
                self._cut += size - self._head

    def finish(self) -> None:
        """Put a marker in the place of what is left out; called when nobody writes any more."""
        self.check()
        gap = self._size() - self._limit
        if gap <= 0 and not self._cut:
            return
        gap = max(gap, MARKER_ROOM)  # what follows the marker shall only move towards the beginning
        with self.path.open("r+b") as stream:
            marker = (MARKER % (gap + self._cut, self._limit)).encode()
            _close_gap(stream, self._head, self._head + gap, marker)
        self._cut = 0

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def _close_gap(stream: BinaryIO, start: int, end: int, marker: bytes) -> None:
    stream.seek(start)
    stream.write(marker)
    target = start + len(marker)
    while block := _read_at(stream, end, BLOCK):
        stream.seek(target)
        stream.write(block)
        target, end = target + len(block), end + len(block)
    stream.truncate(target)


def _read_at(stream: BinaryIO, position: int, length: int) -> bytes:
    stream.seek(position)
    return stream.read(length)


def _punch_hole(descriptor: int, start: int, length: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    where = (ctypes.c_int64(start), ctypes.c_int64(length))
    if libc.fallocate64(descriptor, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, *where):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
