import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_cache.backend import CacheFileStore, CacheOptions
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from debusine.plugin import FileStoreBackend, StorageFull, StoreData, Unavailable
from debusine.testing import FileStoreConformance, MemoryFileStore, MemoryOptions, Source

#: All by which something of a store is asked or changed.
METHODS = [
    *("prepare", "probe", "tidy", "store", "store_content", "open", "remove", "stat", "entries"),
    *("begin_parts", "store_part", "finish_parts", "abandon_parts"),
]


def options(directory: Path, max_bytes: int = 1 << 30) -> CacheOptions:
    return CacheOptions(store="behind", directory=directory / "cache", max_bytes=max_bytes)


class TestInFrontOfMemory(FileStoreConformance):
    persistent = False
    memory = None
    behind: MemoryFileStore

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[CacheFileStore]:
        self.behind = MemoryFileStore(MemoryOptions(takes_content=True, takes_parts=True))
        cache = CacheFileStore.in_front_of(self.behind, options(tmp_path))
        await cache.prepare()
        yield cache
        await cache.aclose()

    async def corrupt(self, backend: FileStoreBackend[Any], source: Source, data: StoreData) -> None:
        content, found = self.behind.objects[data["key"]]
        self.behind.objects[data["key"]] = (b"\0" + content[1:], found)

    @asynccontextmanager
    async def failing(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        self.behind.failures = dict.fromkeys(METHODS, Unavailable("The memory is away"))
        yield
        self.behind.failures = {}

    @asynccontextmanager
    async def full(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        self.behind.failures = dict.fromkeys(["store", "store_content", "store_part"], StorageFull("There is no room"))
        yield
        self.behind.failures = {}

    @asynccontextmanager
    async def slow(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        self.behind.delay = 0.1
        yield
        self.behind.delay = 0


class TestInFrontOfAnUnusableDirectory(TestInFrontOfMemory):
    """The disk of the cache has failed."""

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[CacheFileStore]:
        self.behind = MemoryFileStore(MemoryOptions(takes_content=True, takes_parts=True))
        cache = CacheFileStore.in_front_of(self.behind, options(tmp_path))
        (tmp_path / "cache" / "lock").mkdir(parents=True)
        yield cache
        await cache.aclose()


class TestInFrontOfLocal(FileStoreConformance):
    large = True

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[CacheFileStore]:
        self.behind = LocalFileStore(LocalOptions(base_directory=tmp_path / "store"))
        cache = CacheFileStore.in_front_of(self.behind, options(tmp_path, max_bytes=6 << 30))
        await self.behind.prepare()
        await cache.prepare()
        yield cache
        await cache.aclose()

    def another(self, backend: FileStoreBackend[Any]) -> Callable[[], FileStoreBackend[Any]]:
        return functools.partial(CacheFileStore.in_front_of, LocalFileStore(self.behind.options), backend.options)

    async def corrupt(self, backend: FileStoreBackend[Any], source: Source, data: StoreData) -> None:
        path = self.behind.local_path(source.file, data)
        assert path is not None
        path.write_bytes(b"\0" + source.content[1:])
