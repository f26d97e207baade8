"""A cache in front of a store in memory, and what there is to know of it."""

import fcntl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from debusine_filestore_cache.backend import CacheFileStore, CacheOptions

from debusine.plugin import File, StoreData
from debusine.testing import MemoryFileStore, MemoryOptions, Source, Sources

SIZE = 100_000


class CountingStore(MemoryFileStore):
    """Knows how often it was read from."""

    def __init__(self, options: MemoryOptions | None = None) -> None:
        super().__init__(options)
        self.opened: Counter[str] = Counter()

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.opened[data["key"]] += 1
        async with super().open(file, data, start, length) as chunks:
            yield chunks

    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        return f"https://objects.example.org/{data['key']}"


class Rig:
    """Caches over one store and one directory, as several processes and several starts have them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.behind = CountingStore()
        self.sources = Sources(root)
        self.caches: list[CacheFileStore] = []

    async def cache(self, max_bytes: int = 10 * SIZE) -> CacheFileStore:
        """One more, ready for use."""
        options = CacheOptions(store="behind", directory=self.root / "cache", max_bytes=max_bytes)
        cache = CacheFileStore.in_front_of(self.behind, options)
        await cache.prepare()
        self.caches.append(cache)
        return cache

    async def behind_only(self, size: int = SIZE) -> tuple[Source, StoreData]:
        """An object of which there is no copy."""
        source = self.sources.of_size(size)
        return source, await self.behind.store(source.file, source.path)

    @property
    def copies(self) -> list[Path]:
        return sorted((self.root / "cache/copies").iterdir())

    @property
    def fillings(self) -> list[Path]:
        return sorted((self.root / "cache/filling").iterdir())

    @property
    def bytes(self) -> int:
        """What the cache takes on the disk, at a moment when nobody changes it."""
        with (self.root / "cache/lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return sum(path.stat().st_size for path in [*self.copies, *self.fillings])

    def is_in_order(self) -> bool:
        """Whether nothing is on its way, and no more is counted than there is."""
        counted = int((self.root / "cache/lock").read_text())
        return self.fillings == [] and counted == self.bytes


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    for cache in rig.caches:
        await cache.aclose()


async def read(
    cache: CacheFileStore, source: Source, data: StoreData, start: int = 0, length: int | None = None
) -> bytes:
    async with cache.open(source.file, data, start, length) as chunks:
        return b"".join([chunk async for chunk in chunks])
