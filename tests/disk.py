"""A disk of the tests' own below a real file system: it remembers every write, and fails when it is told to.

It is a file served through FUSE, whose protocol (linux/fuse.h) is spoken here as far as one file needs it. A loop
device on that file makes a block device of it; what reaches this process has left every cache of the system's.
"""

import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from attrs import field, frozen

from tests.mounts import CannotMount, Mounts

#: Length, operation, number of the request; then node, user, group, process, which do not matter for one file.
_REQUEST = struct.Struct("=IIQ24x")
_ANSWER = struct.Struct("=IiQ")
_READ = struct.Struct("=8xQI20x")
_WRITE = struct.Struct("=8xQI20x")
#: The most that is written at once.
_LARGEST = 1 << 20

_FORGET, _GETATTR, _OPEN, _READING, _WRITING, _RELEASE, _FSYNC = 2, 3, 14, 15, 16, 18, 20
_FLUSH, _INIT, _INTERRUPT, _DESTROY, _FORGET_MANY = 25, 26, 36, 38, 42
_UNANSWERED = {_FORGET, _FORGET_MANY, _INTERRUPT}
_ASYNC_READ, _BIG_WRITES, _MAX_PAGES = 1 << 0, 1 << 5, 1 << 22


@frozen
class Write:
    """Bytes that the disk took; it may still lose them."""

    offset: int
    data: bytes = field(repr=False)


@frozen
class Flush:
    """All that came before is on the disk for good."""


@frozen
class Mark:
    """Something happened beside the disk."""

    what: str


Event: TypeAlias = Write | Flush | Mark


class Disk:
    """The bytes of one disk, and the story of how they came there."""

    def __init__(self, content: bytes) -> None:
        self.before = content
        self.now = bytearray(content)
        self.events: list[Event] = []
        #: What is answered by "Input/output error": read, write, flush.
        self.failing: set[str] = set()
        self._lock = threading.Lock()

    def mark(self, what: str) -> None:
        """Write something into the story."""
        with self._lock:
            self.events.append(Mark(what))

    def read(self, offset: int, size: int) -> bytes:
        """What the system reads."""
        with self._lock:
            self._fail_in("read")
            return bytes(self.now[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """What the system writes."""
        with self._lock:
            self._fail_in("write")
            self.now[offset : offset + len(data)] = data
            self.events.append(Write(offset, data))

    def flush(self) -> None:
        """The system asks for all bytes to be kept for good."""
        with self._lock:
            self._fail_in("flush")
            self.events.append(Flush())

    def _fail_in(self, action: str) -> None:
        if action in self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def served(disk: Disk, mounts: Mounts) -> Iterator[Path]:
    """Where, inside a namespace, the disk is a file, until the end of the block; ``CannotMount`` without FUSE."""
    path = mounts.directory().with_suffix(".disk")
    path.touch()
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise CannotMount(f"/dev/fuse: {error.strerror}") from error
    try:
        options = f"fd={device},rootmode={stat.S_IFREG:o},user_id=0,group_id=0"
        mounts.mount("disk", path, "-i", "-t", "fuse", "-o", options, descriptors=[device])
        threading.Thread(target=_Server(disk, device).serve, name="disk", daemon=True).start()
        yield mounts.seen_inside(path)
    finally:
        with suppress(CannotMount):
            mounts.run("umount", "--lazy", mounts.seen_inside(path))
        os.close(device)


class _Server:
    def __init__(self, disk: Disk, device: int) -> None:
        self.disk = disk
        self.device = device

    def serve(self) -> None:
        """Answer until the file is not mounted any more."""
        with suppress(OSError):  # ENODEV: unmounted; EBADF: the block is over
            while True:
                request = os.read(self.device, _LARGEST + 65536)
                _, operation, number = _REQUEST.unpack_from(request)
                if operation not in _UNANSWERED:
                    self._answer(number, operation, request[_REQUEST.size :])

    def _answer(self, number: int, operation: int, body: bytes) -> None:
        try:
            answer, error = self._carry_out(operation, body), 0
        except OSError as failure:
            answer, error = b"", -(failure.errno or errno.EIO)
        os.write(self.device, _ANSWER.pack(_ANSWER.size + len(answer), error, number) + answer)

    def _carry_out(self, operation: int, body: bytes) -> bytes:
        if operation == _INIT:
            flags = _ASYNC_READ | _BIG_WRITES | _MAX_PAGES
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, _LARGEST, flags, 16, 12, _LARGEST, 1, _LARGEST >> 12, 0, 0)
        if operation == _GETATTR:
            size, forever = len(self.disk.now), 1 << 30
            attributes = (1, size, size >> 9, 0, 0, 0, 0, 0, 0, stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)
            return struct.pack("=QII6Q10I", forever, 0, 0, *attributes)
        if operation == _OPEN:
            return bytes(16)
        if operation == _READING:
            return self.disk.read(*_READ.unpack_from(body))
        if operation == _WRITING:
            offset, size = _WRITE.unpack_from(body)
            self.disk.write(offset, body[_WRITE.size : _WRITE.size + size])
            return struct.pack("=II", size, 0)
        if operation == _FSYNC:
            self.disk.flush()
            return b""
        if operation in {_FLUSH, _RELEASE, _DESTROY}:
            return b""
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
