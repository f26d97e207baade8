"""Several stores in memory with policies, and what one server does with them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from debusine.domain.files import File, FileInStore, SetAsideCopy
from debusine.domain.stores import StorePolicies
from debusine.domain.times import now
from debusine.domain.workspaces import DEFAULT_STORE, Workspace
from debusine.services import workspaces
from debusine.services.administration import OPERATOR
from debusine.services.file_stores import FileStores
from debusine.services.spool import Spool
from debusine.services.store_administration import Progress, operate
from debusine.services.uploads import Uploads
from debusine.testing import MemoryFileStore
from tests.depot import LIMITS, BreakableDatabase, Depot
from tests.work import Workshop


@define(eq=False)
class Clock:
    """A clock that a test sets."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@define(eq=False)
class Warehouse:
    """Stores in memory by name, and a server that uses them."""

    depot: Depot
    clock: Clock
    told: list[Progress] = field(factory=list)

    @property
    def stores(self) -> FileStores:
        """The stores of the server."""
        return self.depot.stores

    @property
    def uploads(self) -> Uploads:
        """What the services of stores want."""
        return self.depot.uploads

    def id(self, name: str) -> int:
        """The id of a store."""
        return self.stores.rows[name].id

    def backend(self, name: str) -> MemoryFileStore:
        """The backend of a store."""
        backend = self.stores[name]
        assert isinstance(backend, MemoryFileStore)
        return backend

    def contents(self, name: str) -> list[bytes]:
        """All that lies in a store."""
        return sorted(content for content, _ in self.backend(name).objects.values())

    async def add(self, content: bytes, name: str = "a") -> int:
        """Make an artifact with one file and return it."""
        artifact = await self.depot.declare({name: content})
        if content:
            await self.depot.put(artifact, name, content)
        return artifact

    async def copies(self, content: bytes) -> list[str]:
        """The names of the stores that have a content, as the database knows it."""
        names = {row.id: row.name for row in self.stores.rows.values()}
        return sorted(names[copy.store] for copy in await self.rows(content))

    async def rows(self, content: bytes) -> Sequence[FileInStore]:
        """The rows that tell where a content is."""
        file = await self.file(content)
        return await self.depot.database.read(lambda uow: uow.stored_files.of_file(file.id))

    async def file(self, content: bytes) -> File:
        """A content as the database knows it."""
        digest = File(sha256=hashlib.sha256(content).digest(), size=len(content)).digest
        return await self.depot.database.write(lambda uow: uow.files.get_or_create(digest))

    async def aside(self) -> Sequence[SetAsideCopy]:
        """What is quarantined."""
        return await self.depot.database.read(lambda uow: uow.set_aside.quarantined())

    async def workspace(self) -> Workspace:
        """The workspace as it is now."""
        return await self.depot.database.read(lambda uow: uow.workspaces.get(self.depot.workshop.workspace.id))

    async def operate(self, command: str, **arguments: Any) -> Any:
        """Carry out what ``debusine-admin`` asks for."""

        async def report(progress: Progress) -> None:
            self.told.append(progress)

        return await operate(self.uploads, OPERATOR, command, arguments, report)

    def damage(self, name: str, content: bytes) -> None:
        """Change a byte of a content in a store, behind everybody's back."""
        objects = self.backend(name).objects
        (key,) = [key for key, (held, _) in objects.items() if held == content]
        objects[key] = (b"X" + content[1:], objects[key][1])

    def lose(self, name: str, content: bytes) -> None:
        """Take a content from a store, behind everybody's back."""
        objects = self.backend(name).objects
        for key in [key for key, (held, _) in objects.items() if held == content]:
            del objects[key]


async def open_warehouse(
    workshop: Workshop,
    root: Path,
    policies: Mapping[str, StorePolicies],
    *,
    reach: Sequence[str] = (),
    **limits: Any,
) -> Warehouse:
    """Start a server with these stores; those in ``reach`` are the other stores of the workspace."""
    workshop.database.clock = now  # time goes on between two transactions
    database, clock = BreakableDatabase(workshop.database), Clock()
    rows = {name: await _row(database, name) for name in policies}
    backends = {name: MemoryFileStore() for name in policies}
    stores = FileStores(rows, backends, policies)
    for each in stores.opened():
        each.health.clock = clock
    for name in reach:
        await database.write(workspaces.change, workshop.workspace.name, add=[name])
    limit = evolve(LIMITS, **{"copy_removal": 0.0, **limits})
    uploads = Uploads(database, stores, Spool.at(root / "uploads", limit), limit)
    backend: Any = backends[DEFAULT_STORE]
    return Warehouse(Depot(root, workshop, database, backend, uploads), clock)


async def _row(database: BreakableDatabase, name: str) -> Any:
    found = await database.read(lambda uow: uow.file_stores.by_name(name))
    if found is not None:
        return found
    return await database.write(lambda uow: uow.file_stores.insert(name=name, backend="memory", configuration={}))
