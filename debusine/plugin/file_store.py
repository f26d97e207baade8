"""The interface of a file store backend: a place that keeps bytes."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from debusine.domain.errors import DebusineError, NotFound
from debusine.domain.files import Digest, File
from debusine.domain.times import aware
from debusine.plugin.threads import in_thread

#: What a backend needs to find a stored object again; JSON, kept by the farm and never shown to users.
StoreData: TypeAlias = dict[str, Any]

O = TypeVar("O")  # noqa: E741 - the Options class of a backend


class FileMissing(NotFound):
    """The store does not hold this object (any more)."""

    def __init__(self, what: object) -> None:
        super().__init__(f"The store does not hold {what}")


class WriteFailed(DebusineError):
    """The device failed while bytes were read or written; neither they nor their source can be trusted any more.

    After a failed fsync the kernel forgets what it could not write and the next fsync succeeds: never try the same
    source again, let it be sent anew.
    """

    def __init__(self, what: object, reason: str) -> None:
        super().__init__(f"{what} could not be written to the disk for sure; send it again", detail=reason)


class Damaged(DebusineError):
    """What the store holds is not what was put there."""

    def __init__(self, what: object, reason: str) -> None:
        super().__init__(f"{what} is damaged in the store", detail=reason)


@frozen(kw_only=True)
class StoredObject:
    """What a store knows of one object."""

    #: Bytes.
    size: int
    #: When it was stored, or later; never the age of the source.
    modified: datetime = field(validator=aware)


@frozen(kw_only=True)
class StoredEntry:
    """One object in a listing of a store."""

    data: Mapping[str, Any]
    size: int
    modified: datetime = field(validator=aware)


class FileStoreBackend(ABC, Generic[O]):
    """Keeps the bytes of files, each found again by the data that storing it returned.

    One object is built for each configured store of a process, from its structured ``Options``, inside the running
    event loop. All methods may run at the same time as each other and as those of other processes on the same place.
    No method blocks the event loop: what blocks runs through ``debusine.plugin.in_thread``.
    """

    #: What deployers write in ``[stores.NAME] backend`` to choose this backend.
    name: ClassVar[str]
    #: A keyword-only attrs class of the settings in ``[stores.NAME.options]``; secrets are typed ``Secret``.
    Options: ClassVar[type[Any]]
    #: The names of the options that say where the bytes are: while a store holds files, a start that would change one
    #: of them is refused. None: all that are not secret.
    place: ClassVar[Collection[str] | None] = None
    #: Whether ``store_content`` is there: for stores that keep a small file in less time than a copy of it takes.
    takes_content: ClassVar[bool] = False

    def __init__(self, options: O) -> None:
        self.options = options

    def bind(self, stores: Mapping[str, "FileStoreBackend[Any]"]) -> None:
        """Meet the other configured stores, by name; for a backend that stands in front of another."""

    async def prepare(self) -> None:
        """Check at the start that the place can be used; ``ConfigurationError`` says in one line what to do."""

    @abstractmethod
    async def store(self, file: File, source: Path) -> StoreData:
        """Keep the bytes of ``source`` and return what finds them again.

        ``source`` is a local file whose content has been verified against ``file``; link or copy it, never move or
        change it. Readers see all of the object or none of it; it survives a power cut once this returns. Each call
        makes an object under a key of its own (content hash plus a unique part; never from users' names), so that
        removing one never hurts another with the same content. When it raises, or is cancelled, nothing stays.
        ``StorageFull`` when there is no room; ``WriteFailed`` when the device failed, ``Unavailable`` when it is away.
        """

    def store_content(self, file: File, content: bytes) -> StoreData:
        """Keep the bytes of a small file, which were verified and are in memory; all else as ``store`` says.

        It blocks, and is called in a thread; never unless ``takes_content``.
        """
        raise NotImplementedError

    @abstractmethod
    def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read an object as chunks of at most a few MiB, from byte ``start``, ``length`` bytes or up to the end.

        ``length`` may reach beyond the end; a range of no bytes has no chunks. Raises ``FileMissing`` on entering when
        the object is not there, ``Damaged`` when it is visibly not what was stored. Once entered, a removal at the same
        time either does not disturb the reading or ends it with an error, never with wrong or missing bytes in silence.
        """

    @abstractmethod
    async def remove(self, file: File, data: StoreData) -> None:
        """Let go of an object for good; ``FileMissing`` when it is not there."""

    @abstractmethod
    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """Size and age of an object, without reading it; ``FileMissing`` when it is not there."""

    @abstractmethod
    def entries(self) -> AsyncIterator[StoredEntry]:
        """Everything that the backend holds, in any order, each with the data that finds it.

        What is there during the whole listing appears in it; what comes or goes meanwhile may or may not.
        """

    def local_path(self, file: File, data: StoreData) -> Path | None:
        """Where the bytes can be read by ``sendfile``; None when they are elsewhere. May name a file that is gone."""
        return None

    async def download_url(self, file: File, data: StoreData, *, name: str, content_type: str) -> str | None:
        """Where a client can fetch the bytes directly for a short while; None: through the server."""
        return None

    async def verify(self, file: File, data: StoreData) -> Digest:
        """Read the whole object again and say what is really there; ``FileMissing`` when it is not."""
        running, size = hashlib.new(file.current_hash_algorithm), 0
        async with self.open(file, data) as chunks:
            async for chunk in chunks:
                await in_thread(running.update, chunk)
                size += len(chunk)
        return Digest(hash_digest=running.digest(), size=size)

    async def aclose(self) -> None:
        """Let go of connections and threads; nothing is called afterwards."""
