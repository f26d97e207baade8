"""The interface of a file store backend: a place that keeps bytes."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from debusine.domain.errors import DebusineError, NotFound
from debusine.domain.files import Digest, File
from debusine.domain.times import aware
from debusine.plugin.options import without_secrets
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


class PartsGone(FileMissing):
    """What was begun by ``begin_parts`` is not there any more: it was finished, abandoned, or cleared away."""


class Grade(StrEnum):
    """What an examination found."""

    GOOD = "good"
    #: The farm does without it.
    LACKING = "lacking"
    #: The store cannot be relied on.
    WRONG = "wrong"


@frozen(kw_only=True)
class Finding:
    """One answer to the question whether a store is what the farm relies on."""

    what: str
    grade: Grade
    #: What was seen, and what to do about it.
    detail: str = ""


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
    takes_content: bool = False
    #: Whether ``begin_parts`` and its siblings are there: an object is put together from parts that come one by one,
    #: through any process. Then a client may send a file's chunks to several servers, and each goes to the store as
    #: it comes.
    takes_parts: bool = False
    #: Bytes that each part but the last one has at least, and one has at most; parts of one object, at most.
    smallest_part: int = 5 << 20
    largest_part: int = 5 << 30
    most_parts: int = 10_000

    def __init__(self, options: O) -> None:
        self.options = options

    @property
    def fronts(self) -> Collection[str]:
        """The names of the stores that hold what this one keeps, for a backend that stands in front of others."""
        return ()

    def bind(self, stores: Mapping[str, "FileStoreBackend[Any]"]) -> None:
        """Meet all configured stores, by name, before ``prepare``; for a backend that stands in front of others.

        ``ConfigurationError`` says in one line when what ``fronts`` names cannot be stood in front of.
        """

    @classmethod
    def place_of_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of the settings, as plain values without secrets, that say where the bytes are."""
        return {name: value for name, value in options.items() if cls.place is None or name in cls.place}

    def shares_place_with(self, other: "FileStoreBackend[Any]") -> bool:
        """Whether another store would meet this one's objects; asked of stores whose backends have one name."""
        return self.place_of_options(without_secrets(self.options)) == other.place_of_options(
            without_secrets(other.options)
        )

    async def prepare(self) -> None:
        """Make the place ready at the start, and check that it can be used.

        ``ConfigurationError`` says in one line what the operator has to do; ``Unavailable``, that time may help.
        """

    async def probe(self) -> None:
        """See whether the place can be used just now, and make nothing; ``Unavailable`` when not.

        Asked every few seconds as long as the store fails, so that it is used again as soon as it answers.
        """

    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        """Let go of what was begun more than a day ago and never came to its end, and say how much it was.

        ``unfinished``: what ``begin_parts`` returned of all that is still going on, however old. Called at the start
        and every few hours.
        """
        return 0

    async def examine(self) -> AsyncIterator[Finding]:
        """See whether the place does what only this backend relies on; for ``debusine-admin stores verify``.

        What every backend promises is seen to without it.
        """
        return
        yield

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

    async def begin_parts(self, file: File) -> StoreData:
        """Begin an object that comes in parts, and return what finds it; until it is finished, nobody sees it.

        Never called unless ``takes_parts``, as all its siblings.
        """
        raise NotImplementedError

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        """Keep ``length`` bytes of a local file, from byte ``start``, as a part; durable when this returns.

        Parts are numbered from 1, come in any order and at the same time, from any process. One that comes again
        takes the place of the one before. Returns what ``finish_parts`` needs to know of it. ``PartsGone`` when what
        was begun is known not to be there any more (one that comes too late may also be taken, and forgotten); other
        errors as ``store`` has them.
        """
        raise NotImplementedError

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        """Make one object of these parts, in this order; returns what finds it, as ``store`` does.

        Whether the bytes are those of ``file`` is for the caller to know. Repeated, it returns the same again, and
        does not look at ``parts`` any more. The object is found by ``data``, too: whoever does not know whether it was
        finished asks ``stat(file, data)``. ``PartsGone`` when a part, or all of it, is not there as it was.
        """
        raise NotImplementedError

    async def abandon_parts(self, file: File, data: StoreData) -> None:
        """Let go of all parts of what will not be finished; nothing happens when they are gone."""
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

    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        """Where a client can fetch the bytes directly for a short while; None: through the server.

        Whoever answers there sends exactly these two headers.
        """
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
