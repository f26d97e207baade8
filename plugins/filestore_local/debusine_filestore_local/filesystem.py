"""The calls on the disk that can fail, in one place, so that tests can make each of them fail."""

import errno
import os
from pathlib import Path

#: There is no room: neither for bytes nor, often, for names.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: The device failed, or what the file system keeps on it makes no sense.
BROKEN = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})


class FileSystem:
    """What the operating system does for this store."""

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read from a place in a file."""
        return os.pread(descriptor, size, offset)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Append bytes to an open file; return how many it took."""
        return os.write(descriptor, data)

    def copy_block(self, source: int, target: int, offset: int, size: int) -> int:
        """Append a block of one open file to another inside the kernel; return the bytes copied, 0 at the end."""
        return os.sendfile(target, source, offset, size)

    def sync(self, descriptor: int) -> None:
        """Wait until all of a file is on the disk."""
        os.fsync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the names in a directory are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, all at once."""
        os.rename(source, target)  # noqa: PTH104 - beside its siblings, and with their errors

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        os.unlink(path)  # noqa: PTH108 - beside its siblings, and with their errors
