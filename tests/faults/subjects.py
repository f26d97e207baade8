"""What must survive a power cut: how it is written, with and without a bug, and how it is looked for."""

import hashlib
import json
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar
from unittest import mock

from attrs import define, field
from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem

from debusine.plugin import DebusineError, File, StoreData
from debusine.services.partial_files import Known, PartialFile
from debusine.testing import Sources

if TYPE_CHECKING:
    from debusine.db.unit_of_work import UnitOfWork

#: Bytes of an object or a chunk, at most: enough for a file system to put them into several places.
LARGEST = 300_000
#: Chunks of one upload.
CHUNKS = 6


@define
class Seen:
    """What was found on a disk after a power cut."""

    #: Acknowledgements that were not true.
    lost: set[str] = field(factory=set)
    #: Everything that has a name, and what of it is not whole.
    named: int = 0
    wrong: int = 0


class Subject(ABC):
    """One thing that is acknowledged; both sides know no more of each other than the acknowledgements."""

    name: ClassVar[str]
    #: What ``Seen.named`` counts; empty: nothing, because what was not acknowledged may be anything.
    named: ClassVar[str] = ""
    #: The bugs that can be planted, each with what it is.
    bugs: ClassVar[dict[str, str]]

    @abstractmethod
    def write(self, directory: Path, elsewhere: Path, number: int, bug: str) -> AsyncIterator[str]:
        """Write so many things below a directory of the disk, and acknowledge each once it is durable."""

    @abstractmethod
    async def look(self, directory: Path, acknowledged: Sequence[str]) -> Seen:
        """See whether the acknowledgements are true, and whatever else is there is whole."""


class WithoutSync(FileSystem):
    """The bugs of a store."""

    def __init__(self, bug: str) -> None:
        self.bug = bug

    def sync(self, descriptor: int) -> None:
        if self.bug not in {"bytes", "both"}:
            super().sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        if self.bug not in {"names", "both"}:
            super().sync_directory(path)


class Store(Subject):
    """Objects of the local file store: linked, copied, and written from memory, in turn."""

    name = "store"
    named = "listed"
    bugs: ClassVar = {
        "bytes": "no fsync of files",
        "names": "no fsync of directories",
        "both": "no fsync",
        "barrier": "a file system that never flushes",
    }

    async def write(self, directory: Path, elsewhere: Path, number: int, bug: str) -> AsyncIterator[str]:
        await self._backend(directory).prepare()
        backend = self._backend(directory, bug)
        (directory / "uploads").mkdir()
        near, far = Sources(directory / "uploads"), Sources(elsewhere)
        for count in range(number):
            # As an upload's last chunk leaves it: nobody has synced it before the store does.
            source = (far if count % 3 == 1 else near).of(_content(count))
            if count % 3 == 2:
                data = backend.store_content(source.file, source.content)
            else:
                data = await backend.store(source.file, source.path)
            yield json.dumps({"data": data, "size": source.file.size})
            source.path.unlink()

    async def look(self, directory: Path, acknowledged: Sequence[str]) -> Seen:
        backend, seen = self._backend(directory), Seen()
        await self._begin(backend, directory)
        for line in acknowledged:
            said = json.loads(line)
            if not await _is_whole(backend, said["data"], said["size"]):
                seen.lost.add(line)
        async for entry in backend.entries():
            seen.named += 1
            seen.wrong += not await _is_whole(backend, dict(entry.data), entry.size)
        return seen

    def _backend(self, directory: Path, bug: str = "") -> LocalFileStore:
        return LocalFileStore(LocalOptions(base_directory=directory / "store"), WithoutSync(bug))

    async def _begin(self, backend: LocalFileStore, directory: Path) -> None:
        """A start needs no operator: left-overs go, and it stores."""
        await backend.prepare()
        with mock.patch("debusine_filestore_local.backend.ABANDONED", timedelta(seconds=-1)):
            await backend.tidy([])
        assert list((directory / "store" / "incoming").iterdir()) == []
        file = File(sha256=hashlib.sha256(b"after").digest(), size=5)
        await backend.remove(file, backend.store_content(file, b"after"))


async def _is_whole(backend: LocalFileStore, data: StoreData, size: int) -> bool:
    file = File(sha256=bytes.fromhex(data["key"][:64]), size=size)
    try:
        return await backend.verify(file, data) == file.digest
    except DebusineError:
        return False


class Chunk(PartialFile):
    """The bug of a spool."""

    def _sync_bytes(self) -> None:
        pass


class Spool(Subject):
    """The chunks of uploads, and the offsets that are told of them."""

    name = "spool"
    # That the directory is synced, too, cannot be seen on ext4: the first sync of a new file takes its name along.
    bugs: ClassVar = {"bytes": "no fsync of files"}

    async def write(self, directory: Path, elsewhere: Path, number: int, bug: str) -> AsyncIterator[str]:
        (directory / "uploads").mkdir()
        for count in range(number // CHUNKS):
            known = Known()
            for chunk in range(CHUNKS):
                file = (Chunk if bug else PartialFile)(directory / "uploads", f"upload-{count}", known)
                file.write([_content(count * CHUNKS + chunk)])
                file.sync()
                known = file.keep()
                file.close()
                digest = known.running.hexdigest()
                yield json.dumps({"name": file.name, "offset": known.received, "digest": digest})

    async def look(self, directory: Path, acknowledged: Sequence[str]) -> Seen:
        seen = Seen()
        for line in acknowledged:
            said = json.loads(line)
            path = directory / "uploads" / said["name"]
            content = path.read_bytes()[: said["offset"]] if path.exists() else b""
            if hashlib.sha256(content).hexdigest() != said["digest"]:
                seen.lost.add(line)
        return seen


class SQLite(Subject):
    """Rows of the embedded database."""

    name = "database"
    named = "databases"
    bugs: ClassVar = {"normal": "PRAGMA synchronous = NORMAL"}

    async def write(self, directory: Path, elsewhere: Path, number: int, bug: str) -> AsyncIterator[str]:
        # Here, so that the writers of all else start in half the time.
        import sqlalchemy as sa

        from debusine.db.engine import sqlite_url
        from debusine.db.open import open_database
        from debusine.db.schema import migrate

        if bug:
            sa.event.listen(sa.pool.Pool, "checkout", _sync_less)
        url = sqlite_url(directory / "debusine.sqlite")
        migrate(url)
        database = open_database(url)
        for count in range(number):
            name = f"store-{count}"
            await database.write(_insert, name)
            yield name
        await database.aclose()

    async def look(self, directory: Path, acknowledged: Sequence[str]) -> Seen:
        with TemporaryDirectory() as copy:  # SQLite does not open what is seen through /proc
            for part in directory.glob("debusine.sqlite*"):
                shutil.copy(part, copy)
            return self._look(Path(copy) / "debusine.sqlite", acknowledged)

    def _look(self, database: Path, acknowledged: Sequence[str]) -> Seen:
        try:
            with closing(sqlite3.connect(database)) as connection:
                names = {name for (name,) in connection.execute("SELECT name FROM file_stores")}
                intact = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        except sqlite3.DatabaseError:
            return Seen(set(acknowledged), named=1, wrong=1)
        return Seen(set(acknowledged) - names, named=1, wrong=not intact)


def _insert(uow: "UnitOfWork", name: str) -> None:
    uow.file_stores.insert(name=name, backend="local", configuration={})


def _sync_less(raw: sqlite3.Connection, _record: object, _proxy: object) -> None:
    raw.execute("PRAGMA synchronous = NORMAL")


SUBJECTS: dict[str, Subject] = {subject.name: subject for subject in (Store(), Spool(), SQLite())}


def _content(number: int) -> bytes:
    chance = Random(number)
    return chance.randbytes(chance.randint(1, LARGEST))
