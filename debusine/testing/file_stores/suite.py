"""What all parts of the suite for file stores start from."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import FileMissing, FileStoreBackend, StoreData, StoredEntry
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

MIB = 1 << 20

Backend = FileStoreBackend[Any]


class FileStoreSuite:
    """The fixtures of the suite and what a subclass may say about its backend."""

    pytestmark = pytest.mark.asyncio

    #: Whether another backend object with the same options, also in another process, finds what this one stored.
    persistent = True
    #: Seconds until what a cancelled storing made must be gone.
    patience = 5.0

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend to be tested, new and empty for each test; the class that inherits this suite overrides it."""
        message = "Define a fixture `backend` in your test class that returns a new, empty backend for each test"
        raise NotImplementedError(message)

    @pytest.fixture
    def sources(self, tmp_path: Path) -> Sources:
        """Local files to be stored."""
        directory = tmp_path / "sources-of-the-suite"
        directory.mkdir()
        return Sources(directory)

    async def corrupt(self, backend: Backend, source: Source, data: StoreData) -> None:
        """Change a byte of a stored object behind the backend's back; override it where that can be done."""
        pytest.skip("override `corrupt` to show that verify() finds a changed byte")


async def stored(backend: Backend, source: Source) -> StoreData:
    """Store a source as the farm does."""
    return await backend.store(source.file, source.path)


async def content(
    backend: Backend, source: Source, data: StoreData, start: int = 0, length: int | None = None
) -> bytes:
    """Read an object, or a part of it, to the end."""
    async with backend.open(source.file, data, start, length) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def entered(backend: Backend, source: Source, data: StoreData) -> None:
    """Open an object and read nothing."""
    async with backend.open(source.file, data):
        pass


async def listed(backend: Backend) -> list[StoredEntry]:
    """All that the backend lists."""
    return [entry async for entry in backend.entries()]


async def listed_data(backend: Backend) -> list[StoreData]:
    """The data of all that the backend lists."""
    return [dict(entry.data) for entry in await listed(backend)]


async def require_missing(call: Awaitable[object], what: str) -> None:
    """Fail unless the call says that the object is not there."""
    __tracebackhide__ = True
    try:
        await call
    except FileMissing:
        return
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
        pytest.fail(f"{what} must raise FileMissing for an object that is not there, not {error!r}")
    pytest.fail(f"{what} must raise FileMissing for an object that is not there, but succeeds")


async def require_success(call: Awaitable[object], what: str) -> None:
    """Fail, with what the call should be, when it raises anything."""
    __tracebackhide__ = True
    try:
        await call
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
        pytest.fail(f"{what}, not raise {error!r}")


async def require_soon(condition: Callable[[], Awaitable[bool]], message: str, *, seconds: float) -> None:
    """Fail unless a condition holds within some seconds."""
    __tracebackhide__ = True
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        require(asyncio.get_running_loop().time() < deadline, message)
        await asyncio.sleep(0.02)
