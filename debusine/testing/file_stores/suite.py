"""What all parts of the suite for file stores start from."""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from debusine.plugin import DebusineError, FileMissing, FileStoreBackend, StoreData, StoredEntry
from debusine.testing.file_stores.capabilities import CAPABILITIES, have_them_told
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

MIB = 1 << 20

Backend = FileStoreBackend[Any]


class FileStoreSuite:
    """The fixtures of the suite and what a subclass may say about its backend."""

    pytestmark = pytest.mark.asyncio

    #: Whether another backend object with the same options, also in another process, finds what this one stored.
    persistent = True
    #: Seconds until what a cancelled storing made must be gone, and within which a failing place must be told of.
    patience = 5.0
    #: Bytes of memory that storing or reading one object takes at most, however large the object is; None: this store
    #: keeps its objects in memory.
    memory: int | None = 32 * MIB
    #: Whether an object of 5 GiB is kept within seconds and without 5 GiB of disk, as by a link or as a sparse file.
    large = False
    #: Who is believed when a download URL with https is fetched; None: whom the machine believes.
    trusted: ClassVar[ssl.SSLContext | None] = None

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

    @pytest.fixture(autouse=True)
    def _capabilities_are_told(self, pytestconfig: pytest.Config) -> None:
        have_them_told(pytestconfig)

    def another(self, backend: Backend) -> Callable[[], Backend]:
        """What builds one more backend object on the same place, here or, pickled, in another process.

        Override it where options are not all that a backend is built from.
        """
        return functools.partial(type(backend), backend.options)

    async def corrupt(self, backend: Backend, source: Source, data: StoreData) -> None:
        """Change a byte of a stored object behind the backend's back; override it where that can be done."""
        raise NotImplementedError

    def failing(self, backend: Backend) -> AbstractAsyncContextManager[None]:
        """A block in which the place is away: the disk is not mounted, the server answers with errors or not at all.

        Override it where that can be done, as the next two.
        """
        raise NotImplementedError

    def full(self, backend: Backend) -> AbstractAsyncContextManager[None]:
        """A block in which the place has no room for another byte."""
        raise NotImplementedError

    def slow(self, backend: Backend) -> AbstractAsyncContextManager[None]:
        """A block in which storing or reading an object takes a tenth of a second or more, and less than a second."""
        raise NotImplementedError

    def needs(self, capability: str, there: bool, reason: str) -> None:
        """Note whether a capability is there; without it the test is skipped, and says so."""
        suite = type(self).__name__
        CAPABILITIES.note(suite, capability, "" if there else reason)
        if not there:
            pytest.skip(f"capability {capability}: {suite} lacks it: {reason}")

    def needs_override(self, method: str, reason: str) -> None:
        """Skip the test unless the class overrides a method of this one."""
        there = getattr(type(self), method) is not getattr(FileStoreSuite, method)
        self.needs(method, there, f"override `{method}` to show that {reason}")

    def needs_persistence(self) -> None:
        """Skip the test when the store ends with its backend object."""
        reason = "the class says `persistent = False`, what it stores ends with its process"
        self.needs("persistent", self.persistent, reason)

    def needs_content(self, backend: Backend) -> None:
        """Skip the test when small files come as files, too."""
        reason = "the backend says `takes_content = False`, small files come through store(), too"
        self.needs("takes_content", backend.takes_content, reason)

    def needs_parts(self, backend: Backend) -> None:
        """Skip the test when objects come whole only."""
        reason = "the backend says `takes_parts = False`, objects come whole, through one server"
        self.needs("takes_parts", backend.takes_parts, reason)

    @asynccontextmanager
    async def second(self, backend: Backend) -> AsyncIterator[Backend]:
        """One more backend object on the same place, ready for use."""
        other = self.another(backend)()
        try:
            await other.prepare()
            yield other
        finally:
            await other.aclose()


async def stored(backend: Backend, source: Source) -> StoreData:
    """Store a source as the farm does."""
    return await backend.store(source.file, source.path)


async def content(
    backend: Backend, source: Source, data: StoreData, start: int = 0, length: int | None = None
) -> bytes:
    """Read an object, or a part of it, to the end."""
    async with backend.open(source.file, data, start, length) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def require_content(backend: Backend, source: Source, data: StoreData, message: str) -> None:
    """Fail unless an object has the content of its source."""
    __tracebackhide__ = True
    try:
        got: object = await content(backend, source, data)
    except DebusineError as error:
        got = error
    if got != source.content:
        pytest.fail(f"{message}, not {got!r:.100}")


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


async def require_missing(
    call: Awaitable[object], what: str, *, error: type[FileMissing] = FileMissing, when: str = "an object is not there"
) -> None:
    """Fail unless the call says that the object is not there."""
    __tracebackhide__ = True
    try:
        await call
    except error:
        return
    except Exception as other:  # noqa: BLE001 - whatever the author's code raises is told to the author
        pytest.fail(f"{what} must raise {error.__name__} when {when}, not {other!r}")
    pytest.fail(f"{what} must raise {error.__name__} when {when}, but succeeds")


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
