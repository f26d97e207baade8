"""A directory of copies that several processes share; plain blocking functions, whose ``OSError`` means a bad disk."""

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from debusine.plugin import File
from debusine_filestore_cache.copies import Copy, Filling, Identity
from debusine_filestore_cache.names import Name, is_name

#: Seconds to wait for another process that counts; one that was stopped meanwhile must not stop all others.
PATIENCE = 2.0

#: Room that is made when there is none, so that not every copy needs a look at all others.
SPARE = 20


class Directory:
    """Copies below a directory, never more bytes than allowed, those included that are being made.

    Whoever makes room holds a lock, and the file of the lock says how much is used: at least what there is, because it
    is written before a copy comes and after one goes. What a crash leaves is counted until somebody looks at all files.
    Nothing is synced: what a power cut tears is seen when a process first uses it.
    """

    def __init__(self, base: Path, max_bytes: int) -> None:
        self.base = base
        self.max_bytes = max_bytes
        self._copies = base / "copies"
        self._filling = base / "filling"
        self._lock = base / "lock"
        #: Copies whose content this process knows to be right, as they were then.
        self._verified: dict[Name, Identity] = {}

    def prepare(self) -> None:
        """Make the directories, clear what a crash left, and go below the limit if it was lowered."""
        for directory in (self._copies, self._filling):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.recount()

    def recount(self) -> int:
        """Count anew what is there, and clear what a crash left; returns how much that was."""
        with self._locked() as used:
            cleared = self._clear()
            used.write(self._evict(0))
        return cleared

    def used(self) -> int:
        """Bytes that are counted as used."""
        with self._locked() as used:
            return used.read() or 0

    def path(self, name: Name) -> Path:
        """Where a copy is, or would be."""
        return self._copies / name

    def is_verified(self, name: Name) -> bool:
        """Whether this process knew a copy to be right when it last saw it; does not block."""
        return name in self._verified

    def has(self, name: Name) -> bool:
        """Whether there is a copy, right or not."""
        return self.path(name).exists()

    def open(self, copy: Copy, file: File) -> bool:
        """Open a copy and note that it is used; False when there is none. One of a wrong size is dropped."""
        try:
            copy.open(self.path(copy.name))
        except FileNotFoundError:
            self._verified.pop(copy.name, None)
            return False
        if copy.identity.size != file.size:
            self.drop(copy.name)
            return False
        self.note_use(copy.name, time.time_ns())
        return True

    def knows(self, copy: Copy) -> bool:
        """Whether a copy is as it was when this process knew it to be right."""
        return self._verified.get(copy.name) == copy.identity

    def verify(self, copy: Copy, file: File) -> bool:
        """Read a copy and see whether it is right; a wrong one is dropped."""
        before = copy.identity
        if copy.is_content_of(file) and copy.identity == before:
            self._verified[copy.name] = before
            return True
        self.drop(copy.name)
        return False

    def note_use(self, name: Name, at: int) -> None:
        """Write down when a copy was used last, in its access time, where all processes see it."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.path(name), ns=(at, self.path(name).stat().st_mtime_ns))

    def note_uses(self, uses: Mapping[Name, int]) -> None:
        """Write down the use of several copies."""
        for name, at in uses.items():
            self.note_use(name, at)

    def begin(self, filling: Filling) -> bool:
        """Make room for a copy and a file for its bytes; False when others need all the room just now."""
        size = filling.file.size
        with self._locked() as used:
            if not self._make_room(size, used):
                return False
            path = self._filling / f"{filling.name}.{secrets.token_hex(8)}"
            try:
                filling.begin(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            except OSError:
                used.add(-size)
                raise
            filling.claim()
        return True

    def publish(self, filling: Filling) -> None:
        """Make a copy of what was filled and is right, unless nobody wants it any more."""
        with self._locked() as used:
            if filling.unwanted or filling.path is None:
                return
            before = _size(self.path(filling.name))
            filling.path.rename(self.path(filling.name))
            used.add(-before)
            self._verified[filling.name] = filling.identity()
            filling.end()
        self.note_use(filling.name, time.time_ns())

    def discard(self, filling: Filling) -> None:
        """Let go of what did not become a copy."""
        path = filling.path
        try:
            if path is not None:
                with self._locked() as used:
                    path.unlink(missing_ok=True)
                    used.add(-filling.file.size)
        finally:
            filling.end()

    def add_link(self, name: Name, file: File, source: Path) -> None:
        """Have a local file as a copy, too, whose content was verified."""
        with self._locked() as used:
            if not self._make_room(file.size, used):
                return
            try:
                os.link(source, self.path(name))
            except OSError:
                used.add(-file.size)
                raise
            found = self.path(name).lstat()
            if found.st_size == file.size and stat.S_ISREG(found.st_mode):
                self._verified[name] = Identity.of(found)
        self.note_use(name, time.time_ns())

    def add_content(self, name: Name, file: File, content: bytes) -> None:
        """Have a copy of bytes that are in memory and were verified."""
        filling = Filling(name, file)
        try:
            if self.begin(filling):
                filling.write(content)
                self.publish(filling)
        finally:
            self.discard(filling)

    def drop(self, name: Name) -> None:
        """Let go of a copy, if there is one."""
        self._verified.pop(name, None)
        with self._locked() as used:
            size = _size(self.path(name))
            self.path(name).unlink(missing_ok=True)
            used.add(-size)

    def _make_room(self, size: int, used: "_Used") -> bool:
        """Count some bytes more, and evict for them what was not used for longest."""
        before = used.read()
        if before is None or before + size > self.max_bytes:
            self._clear()
            before = self._evict(size)
        used.write(before + size if before + size <= self.max_bytes else before)
        return before + size <= self.max_bytes

    def _evict(self, size: int) -> int:
        """Let go of the copies that were not used for longest until there is room; returns the bytes that stay."""
        copies = sorted(_copies(self._copies))
        taken = sum(_size(path) for path in self._filling.iterdir())
        kept = taken + sum(copy_size for _, copy_size, _ in copies)
        there = {name for _, _, name in copies}
        if taken + size <= self.max_bytes < kept + size:
            goal = self.max_bytes - max(size, self.max_bytes // SPARE if size else 0)
            for _, copy_size, name in copies:
                if kept <= goal:
                    break
                self.path(name).unlink(missing_ok=True)
                there.discard(name)
                kept -= copy_size
        for name in list(self._verified):  # others evict, too
            if name not in there:
                self._verified.pop(name, None)
        return kept

    def _clear(self) -> int:
        """Remove what nobody fills any more."""
        cleared = 0
        for path in list(self._filling.iterdir()):
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                cleared += 1
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)
        return cleared

    @contextlib.contextmanager
    def _locked(self) -> Iterator["_Used"]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait_for(descriptor)
            yield _Used(descriptor)
        finally:
            os.close(descriptor)


class _Used:
    """The bytes that are used, in the file of the lock; only for whoever holds it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> int | None:
        """None when nobody has counted yet."""
        text = os.pread(self._descriptor, 100, 0)
        return int(text) if text.strip().isdigit() else None

    def write(self, count: int) -> None:
        os.pwrite(self._descriptor, b"%020d\n" % max(count, 0), 0)

    def add(self, more: int) -> None:
        before = self.read()
        if before is not None:
            self.write(before + more)


def _wait_for(descriptor: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                message = f"another process has locked it for {PATIENCE:.0f} seconds"
                raise TimeoutError(error.errno, message) from error
            time.sleep(0.001)


def _copies(directory: Path) -> Iterator[tuple[int, int, Name]]:
    """When each copy was used last, its size and its name."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_name(entry.name):
                found = entry.stat(follow_symlinks=False)
                yield found.st_atime_ns, found.st_size, Name(entry.name)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
