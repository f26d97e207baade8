"""The cache of large inputs: by content, decompressed once, and never larger than a limit for long."""

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from debusine.client import Client
from debusine.domain.errors import StorageFull
from debusine.domain.files import File
from debusine.protocol.resources import ArtifactResource

logger = logging.getLogger(__name__)

#: Bytes of disk that are left free whatever is cached.
FLOOR = 1 << 30

PART = ".part"
UNPACKED = ".unxz"

#: Runs a command with its standard output into a file, in the sandbox; raises when it fails.
RunInto = Callable[[list[str], Path], Awaitable[None]]


class NoRoom(StorageFull):
    """The disk has no room for an image."""

    def __init__(self, needed: int, free: int) -> None:
        super().__init__(
            "There is no room for the image",
            detail=f"it needs {needed >> 20} MiB, {free >> 20} MiB are free, and {FLOOR >> 20} MiB stay free",
        )


class ImageCache:
    """Files by SHA-256; what was used least lately goes first."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        #: Bytes.
        self._limit = limit
        self._pinned: set[Path] = set()

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def prepare(self) -> None:
        """Make the directory; what was not finished goes."""
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in self._directory.glob(f"*{PART}*"):
            path.unlink()

    def in_use(self) -> list[Path]:
        """The files that the present run has asked for, and what is on its way to become one of them."""
        return [path for path in self._files() if any(path.name.startswith(kept.name) for kept in self._pinned)]

    def release(self) -> None:
        """Nothing is in use any more."""
        self._pinned.clear()

    async def get(self, client: Client, artifact: ArtifactResource, path: str, run: RunInto | None) -> Path:
        """A file of an artifact, decompressed by ``run`` if it is given and the file's name says ``.xz``."""
        file = artifact.files[path]
        decompress = run if path.endswith(".xz") else None
        kept = self._directory / (file.checksums["sha256"] + (UNPACKED if decompress else ""))
        self._pinned.add(kept)
        if kept.exists():
            os.utime(kept)
            return kept
        logger.info("Fetching %s of artifact %s, %s MiB", path, artifact.id, file.size >> 20)
        self._make_room(file.size)
        part = kept.with_suffix(f"{kept.suffix}{PART}")
        try:
            await client.download_file(artifact, path, part)
            if decompress:
                part = await self._decompress(part, decompress)
            await asyncio.to_thread(_publish, part, kept)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return kept

    def put(self, compressed: Path, plain: Path) -> None:
        """Keep a file that is the decompressed form of another; it is moved if that can be done, else left; blocks."""
        kept = self._directory / (File.calculate_hash(compressed).hex() + UNPACKED)
        if kept.exists() or plain.stat().st_dev != self._directory.stat().st_dev:
            return
        self._make_room(plain.stat().st_size)
        _publish(plain, kept)

    async def _decompress(self, packed: Path, run: RunInto) -> Path:
        listing = packed.with_name(f"{packed.name}.list")
        plain = packed.with_name(f"{packed.name}.plain")
        try:
            await run(["xz", "--robot", "--list", "--suffix", PART, "--", str(packed)], listing)
            self._make_room(await asyncio.to_thread(_plain_size, listing))
            await run(["xz", "--decompress", "--stdout", "--threads=0", "--suffix", PART, "--", str(packed)], plain)
        except BaseException:
            plain.unlink(missing_ok=True)
            raise
        finally:
            await asyncio.to_thread(_forget, listing, packed)
        return plain

    def _make_room(self, needed: int) -> None:
        """Let go of files until a new one fits under the limit and on the disk."""
        for path in self._oldest_first():
            free = shutil.disk_usage(self._directory).free
            if self._size() + needed <= self._limit and free - needed >= FLOOR:
                return
            path.unlink()
        free = shutil.disk_usage(self._directory).free
        if free - needed < FLOOR:
            raise NoRoom(needed, free)

    def _oldest_first(self) -> list[Path]:
        others = [path for path in self._files() if path not in self._pinned and PART not in path.name]
        return sorted(others, key=lambda path: path.stat().st_mtime)

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._files())

    def _files(self) -> list[Path]:
        return [path for path in self._directory.iterdir() if path.is_file()]


def _publish(part: Path, kept: Path) -> None:
    part.chmod(0o644)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())  # nobody checks the hash of what was decompressed a second time
    part.rename(kept)


def _plain_size(listing: Path) -> int:
    totals = next(line.split("\t") for line in listing.read_text().splitlines() if line.startswith("totals\t"))
    return int(totals[4])


def _forget(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
