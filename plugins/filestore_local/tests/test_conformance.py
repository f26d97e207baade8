import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem

from debusine.plugin import FileStoreBackend, StoreData
from debusine.testing import FileStoreConformance, Source


class TroubledFileSystem(FileSystem):
    """Is full or slow when a test wants it."""

    full = False
    seconds = 0.0

    def sync(self, descriptor: int) -> None:
        time.sleep(self.seconds)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().sync(descriptor)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        time.sleep(self.seconds)
        return super().read(descriptor, size, offset)


class OtherFileSystem(TroubledFileSystem):
    """The uploads are on another file system than the store."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")


class LocalConformance(FileStoreConformance):
    filesystem: TroubledFileSystem

    async def corrupt(self, backend: FileStoreBackend[Any], source: Source, data: StoreData) -> None:
        path = backend.local_path(source.file, data)
        assert path is not None
        with path.open("r+b") as stream:
            stream.seek(1000)
            stream.write(bytes([source.content[1000] ^ 1]))

    @asynccontextmanager
    async def failing(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        base = backend.options.base_directory
        base.rename(base.with_name("unmounted"))
        yield
        base.with_name("unmounted").rename(base)

    @asynccontextmanager
    async def full(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        self.filesystem.full = True
        yield
        self.filesystem.full = False

    @asynccontextmanager
    async def slow(self, backend: FileStoreBackend[Any]) -> AsyncIterator[None]:
        self.filesystem.seconds = 0.1
        yield
        self.filesystem.seconds = 0.0


class TestWithLinks(LocalConformance):
    large = True

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> LocalFileStore:
        self.filesystem = TroubledFileSystem()
        backend = LocalFileStore(LocalOptions(base_directory=tmp_path / "store"), self.filesystem)
        await backend.prepare()
        return backend


class TestWithCopies(LocalConformance):
    @pytest.fixture
    async def backend(self, tmp_path: Path) -> LocalFileStore:
        self.filesystem = OtherFileSystem()
        backend = LocalFileStore(LocalOptions(base_directory=tmp_path / "store"), self.filesystem)
        await backend.prepare()
        return backend
