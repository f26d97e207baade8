import errno
from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem

from debusine.plugin import FileStoreBackend, StoreData
from debusine.testing import FileStoreConformance, Source


class OtherFileSystem(FileSystem):
    """The uploads are on another file system than the store."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")


class LocalConformance(FileStoreConformance):
    async def corrupt(self, backend: FileStoreBackend[Any], source: Source, data: StoreData) -> None:
        path = backend.local_path(source.file, data)
        assert path is not None
        with path.open("r+b") as stream:
            stream.seek(1000)
            stream.write(bytes([source.content[1000] ^ 1]))


class TestWithLinks(LocalConformance):
    @pytest.fixture
    async def backend(self, tmp_path: Path) -> LocalFileStore:
        backend = LocalFileStore(LocalOptions(base_directory=tmp_path / "store"))
        await backend.prepare()
        return backend


class TestWithCopies(LocalConformance):
    @pytest.fixture
    async def backend(self, tmp_path: Path) -> LocalFileStore:
        backend = LocalFileStore(LocalOptions(base_directory=tmp_path / "store"), OtherFileSystem())
        await backend.prepare()
        return backend
