"""The spool: the directory of files that are not whole yet, with what is known of them in memory."""

import os
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from debusine.config import Limits
from debusine.domain.errors import ConfigurationError, StorageFull
from debusine.plugin import in_thread
from debusine.services.partial_files import Known, PartialFile

#: Running hashes that are remembered between two chunks; the hash of any other upload is computed again.
REMEMBERED = 256


class SpaceLow(StorageFull):
    """So little space is left that no upload may take it."""

    def __init__(self, free: int, floor: int) -> None:
        super().__init__("There is too little free space", detail=f"{free} bytes are free, {floor} must stay so")


class SpoolUnusable(ConfigurationError):
    """The directory for uploads cannot be written."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"The directory {directory} for uploads cannot be used: {reason}; make it writable")


@frozen
class Spool:
    """The directory of one server's partial files."""

    directory: Path
    limits: Limits
    _known: "OrderedDict[str, Known]"

    @classmethod
    def at(cls, directory: Path, limits: Limits) -> "Spool":
        """The spool in a directory, which is made if it is not there; ``SpoolUnusable`` when it cannot be."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (directory / f".{secrets.token_hex(8)}").open("xb") as probe:
                Path(probe.name).unlink()
        except OSError as error:
            raise SpoolUnusable(directory, error.strerror or str(error)) from error
        return cls(directory, limits, OrderedDict())

    def begin(self, wanted: int, running: Any = None, *, lasting: bool = True) -> PartialFile:
        """A new partial file for so many bytes; nothing is on the disk before the first.

        ``running`` is the hash of the bytes before it, which its own go on; None: there are none. ``lasting``: whether
        it will be synced.
        """
        known = Known() if running is None else Known(running=running)
        name, admit = secrets.token_hex(16), partial(self.check_space, wanted)
        return PartialFile(self.directory, name, known, admit=admit, lasting=lasting)

    def resume(self, name: str, received: int, wanted: int) -> PartialFile:
        """A partial file of which ``received`` bytes count and to which so many shall come."""
        known = self.known(name, received) or Known(received, running=None)
        return PartialFile(self.directory, name, known, admit=partial(self.check_space, wanted))

    def known(self, name: str, received: int) -> Known | None:
        """What is remembered of an upload of which so many bytes have come."""
        known = self._known.get(name)
        return known if known is not None and known.received == received else None

    def remember(self, name: str, known: Known) -> None:
        """Keep the running hash of a partial file for its next chunk."""
        self._known[name] = known
        self._known.move_to_end(name)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """What was remembered is not to be relied on any more."""
        self._known.pop(name, None)

    def check_space(self, wanted: int) -> None:
        """``SpaceLow`` when taking so many bytes would leave less than the floor; blocks for a moment."""
        found = os.statvfs(self.directory)
        free = found.f_bavail * found.f_frsize
        floor = max(self.limits.free_space, int(found.f_blocks * found.f_frsize * self.limits.free_space_part))
        if free - wanted < floor:
            raise SpaceLow(free, floor)

    def drop_others(self, names: Collection[str]) -> int:
        """Remove every partial file but these; only while nobody uploads. Returns how many there were."""
        others = [path for path in self.directory.iterdir() if path.name not in names and path.is_file()]
        for path in others:
            path.unlink(missing_ok=True)
        return len(others)

    def untouched_since(self, moment: float) -> set[str]:
        """The names of the files that were last written before a moment (seconds since 1970)."""
        return {path.name for path in self.directory.iterdir() if _written_at(path) < moment}

    def drop(self, name: str) -> None:
        """Remove a partial file, if it is here, and what is known of it."""
        self.forget(name)
        (self.directory / name).unlink(missing_ok=True)

    @asynccontextmanager
    async def empty_file(self) -> AsyncIterator[Path]:
        """A file without a byte, gone with the block."""
        async with self.small_file(b"") as path:
            yield path

    @asynccontextmanager
    async def small_file(self, content: bytes) -> AsyncIterator[Path]:
        """A file with these bytes, gone with the block."""
        path = self.directory / secrets.token_hex(16)
        try:
            await in_thread(_write, path, content)
            yield path
        finally:
            await in_thread(path.unlink, missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its upload has just ended
        return float("inf")
