"""An object that is open for reading."""

import os
from pathlib import Path

from debusine.plugin import Damaged, File
from debusine_filestore_local.filesystem import FileSystem

#: Bytes of a chunk: large, because each is one hop to a thread.
BLOCK = 1 << 20


class Reader:
    """Reads from any place of an object; ``close`` may always be called, also when ``open`` was not or failed."""

    def __init__(self, path: Path, file: File, filesystem: FileSystem) -> None:
        self.path = path
        self.file = file
        self.filesystem = filesystem
        self._descriptor: int | None = None

    def open(self) -> None:
        """Open the object; a removal does not disturb the reading any more."""
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)

    def open_undamaged(self) -> None:
        """Open the object, or raise ``Damaged`` when its size alone shows that it is not what was stored."""
        self.open()
        size = os.fstat(self._opened).st_size
        if size != self.file.size:
            raise Damaged(self.path.name, f"it has {size} bytes instead of {self.file.size}")

    def read(self, offset: int, size: int) -> bytes:
        """At least one byte, at most a block; ``Damaged`` when they are not there any more."""
        block = self.filesystem.read(self._opened, min(size, BLOCK), offset)
        if not block:
            raise Damaged(self.path.name, f"it ends at byte {offset}")
        return block

    def read_whole(self, offset: int) -> bytes:
        """The next block, whatever the size should be; empty at the end."""
        return self.filesystem.read(self._opened, BLOCK, offset)

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @property
    def _opened(self) -> int:
        assert self._descriptor is not None
        return self._descriptor
