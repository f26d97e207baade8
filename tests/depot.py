"""Files going in and out without HTTP: artifacts, a store and a spool in directories, and ways to break them."""

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.files import ArtifactPath, File, FileInArtifact
from debusine.plugin import StoreData
from debusine.protocol.ranges import ContentRange
from debusine.protocol.resources import ArtifactSubmission, FileSubmission
from debusine.services import artifacts
from debusine.services.artifacts import ArtifactDescription
from debusine.services.bodies import Body
from debusine.services.declarations import declaration
from debusine.services.downloads import Wish, contents, granted
from debusine.services.file_stores import FileStores
from debusine.services.receptions import Progress
from debusine.services.spool import Spool
from debusine.services.turns import Turns
from debusine.services.upload_records import Wanted
from debusine.services.uploads import Uploads
from tests.work import Workshop, open_workshop

T = TypeVar("T")
#: Seconds until what must happen has happened, on however slow a machine.
PATIENCE = 30.0

LIMITS = Limits(free_space=1, free_space_part=1e-9)


async def until_requests(turns: Turns, number: int) -> None:
    """Wait until so many requests write something or wait for their turn to."""
    async with asyncio.timeout(PATIENCE):
        while sum(len(place.requests) for place in turns._places.values()) != number:
            await asyncio.sleep(0.001)


class BreakableStore(LocalFileStore):
    """A local store that does what a test says before and after it has stored something."""

    before: Callable[[], Any] | None = None
    after: Callable[[], Any] | None = None
    stored = 0

    async def store(self, file: File, source: Path) -> StoreData:
        """Store, unless a test has other plans."""
        await _carry_out(self.before)
        data = await super().store(file, source)
        self.stored += 1
        await _carry_out(self.after)
        return data


class BreakableDatabase(Database):
    """A database that does what a test says before and after transactions of a given name."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.clock)
        self.real = real
        self.before: dict[str, Callable[[], Any]] = {}
        self.after: dict[str, Callable[[], Any]] = {}
        self.written: list[str] = []

    async def write(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Write, unless a test has other plans."""
        await _carry_out(self.before.get(function.__name__))
        result = await self.real.write(function, *args, **kwargs)
        self.written.append(function.__name__)
        await _carry_out(self.after.get(function.__name__))
        return result

    async def run_writing(self, function: Callable[[UnitOfWork], T]) -> T:
        """As the real one."""
        return await self.real.run_writing(function)

    async def run_reading(self, function: Callable[[UnitOfWork], T]) -> T:
        """As the real one."""
        return await self.real.run_reading(function)

    async def count(self, function: Callable[[UnitOfWork], T]) -> T:
        """As the real one."""
        return await self.real.count(function)

    async def aclose(self) -> None:
        """The real one is closed by its owner."""


@define(eq=False)
class Depot:
    """One process that takes and gives files, on directories below ``root``."""

    root: Path
    workshop: Workshop
    database: BreakableDatabase
    backend: BreakableStore
    uploads: Uploads
    #: Set once a request stands still.
    still: asyncio.Event = field(factory=asyncio.Event)

    #: Set when the test is over.
    over: asyncio.Event = field(factory=asyncio.Event)

    async def stand_still(self) -> None:
        """Never return: a request that comes here and is abandoned is as far as it was at a kill -9."""
        self.still.set()
        await self.over.wait()
        raise asyncio.CancelledError

    @property
    def user(self) -> Subject:
        """Who asks unless a test says otherwise."""
        return self.workshop.user

    @property
    def stores(self) -> FileStores:
        """The stores of this process."""
        return self.uploads.stores

    async def declare(self, files: Mapping[str, bytes], *, subject: Subject | None = None, **more: Any) -> int:
        """Make an artifact with these files and return its id."""
        return (await self.declared(submission(files, **more), subject=subject)).artifact.id

    async def declared(
        self, wish: ArtifactSubmission, *, subject: Subject | None = None, attempt: int | None = None
    ) -> ArtifactDescription:
        """Make an artifact."""
        checked = declaration(wish, self.uploads.limits)
        return await artifacts.create(
            self.database, self.stores, self.uploads.spool, subject or self.user, checked, attempt
        )

    async def put(
        self,
        artifact: int,
        path: str,
        content: bytes | AsyncIterator[bytes],
        span: tuple[int, int, int] | None = None,
        *,
        length: int | None = None,
        subject: Subject | None = None,
        attempt: int | None = None,
    ) -> Progress:
        """Send all of a file, or with ``span`` (start, stop, size) the bytes of a chunk."""
        part = ContentRange(*span) if span else None
        body = Body(sent(content) if isinstance(content, bytes) else content, length)
        return await self.uploads.receive(self.wanted(artifact, path, subject, attempt), part, body)

    async def put_part(self, artifact: int, path: str, content: bytes, start: int, stop: int) -> Progress:
        """Send the bytes of a file from ``start`` up to ``stop``."""
        return await self.put(artifact, path, content[start:stop], (start, stop, len(content)))

    async def probe(self, artifact: int, path: str, size: int | None = None) -> Progress:
        """Ask how far a file is."""
        return await self.uploads.probe(self.wanted(artifact, path), size)

    def wanted(self, artifact: int, path: str, subject: Subject | None = None, attempt: int | None = None) -> Wanted:
        """Whose request it is, and for which file."""
        return Wanted(subject=subject or self.user, artifact=artifact, path=ArtifactPath(path), attempt=attempt)

    async def fetch(self, artifact: int, path: str) -> bytes:
        """Download a file."""
        wish = Wish(
            subject=self.user,
            workspace=self.workshop.workspace.name,
            artifact=artifact,
            path=ArtifactPath(path),
            archive=False,
        )
        found = await self.database.read(granted, wish)
        async with contents(self.database, self.stores, found.files[0]) as chunks:
            return b"".join([bytes(chunk) async for chunk in chunks])

    async def places(self, artifact: int) -> Sequence[FileInArtifact]:
        """The files of an artifact as the database knows them."""
        return await self.database.read(lambda uow: uow.files_in_artifacts.of(artifact))

    def spooled(self) -> dict[str, int]:
        """Name → size of all that lies in the spool."""
        return {path.name: path.stat().st_size for path in self.uploads.spool.directory.iterdir()}

    async def objects(self) -> list[int]:
        """The sizes of all that the store holds."""
        return sorted([entry.size async for entry in self.backend.entries()])

    async def after_a_crash(self, root: Path) -> "Depot":
        """What a server finds that is started after a kill -9 at this moment: the same database, the disk as it is."""
        subprocess.run(["cp", "-a", f"{self.root}/.", str(root)], check=True)  # keeps hard links, as a disk does
        started = await open_depot(self.workshop, root)
        await started.uploads.prepare()
        return started


async def new_depot(database: Database, root: Path, limits: Limits = LIMITS) -> Depot:
    """Fill an empty database with a user, a workspace and a store, and open them."""
    return await open_depot(await open_workshop(database), root, limits)


async def open_depot(workshop: Workshop, root: Path, limits: Limits = LIMITS) -> Depot:
    """Start a process on these directories."""
    database = BreakableDatabase(workshop.database)
    backend = BreakableStore(LocalOptions(base_directory=root / "store"))
    await backend.prepare()
    row = await database.read(lambda uow: uow.file_stores.get(workshop.workspace.default_file_store))
    stores = FileStores({row.name: row}, {row.name: backend})
    uploads = Uploads(database, stores, Spool.at(root / "uploads", limits), limits)
    return Depot(root, workshop, database, backend, uploads)


def submission(files: Mapping[str, bytes], **more: Any) -> ArtifactSubmission:
    """A wish for an artifact with these files."""
    described = {ArtifactPath(path): described_file(content) for path, content in files.items()}
    return ArtifactSubmission(**{"category": "debusine:test", "data": {}, "files": described} | more)


def described_file(content: bytes) -> FileSubmission:
    """A file as it is declared."""
    return FileSubmission(size=len(content), checksums={"sha256": hashlib.sha256(content).hexdigest()})


async def sent(content: bytes, chunk: int = 1 << 16) -> AsyncIterator[bytes]:
    """Bytes as they come from a network."""
    for start in range(0, len(content), chunk):
        yield content[start : start + chunk]


async def _carry_out(plan: Callable[[], Any] | None) -> None:
    if plan is not None:
        found = plan()
        if asyncio.iscoroutine(found):
            await found
