"""File stores: the configured places that keep files, open for business."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from debusine.config import StoreSettings
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import ConfigurationError, StorageFull, Unavailable
from debusine.domain.files import File, FileStore
from debusine.domain.workspaces import DEFAULT_STORE
from debusine.plugin import FileStoreBackend, StoreData, WriteFailed
from debusine.plugin.options import structure_options, without_secrets
from debusine.plugin.registry import Registry

logger = logging.getLogger(__name__)

OK = "ok"


class StoreNotConfigured(Unavailable):
    """A file is in a store that this server's configuration does not name."""

    def __init__(self, store: int) -> None:
        super().__init__(f"The file store {store} is not configured on this server")


class StoreVanished(ConfigurationError):
    """The configuration does not name a store any more that is still needed."""

    def __init__(self, row: FileStore, reason: str) -> None:
        super().__init__(
            f"stores.{row.name}: the configuration does not name this store any more, but {reason}; "
            f'put it back (backend = "{row.backend}", options {dict(row.configuration)})'
        )


class StoreMoved(ConfigurationError):
    """The configuration names another place for a store that still holds files."""

    def __init__(self, row: FileStore, setting: str, before: object, after: object) -> None:
        super().__init__(
            f"stores.{row.name}.{setting}: this store still holds files, so it cannot change from {before!r} to "
            f"{after!r}; set it back, and name the new place as a store of another name"
        )


@frozen
class ConfiguredStore:
    """A store as the configuration wants it, its backend built and not used yet."""

    backend: FileStoreBackend[Any]
    #: The options without secrets, as they stand in the row.
    configuration: Mapping[str, Any]

    @classmethod
    def build(
        cls, name: str, settings: StoreSettings, backends: Registry[type[FileStoreBackend[Any]]]
    ) -> "ConfiguredStore":
        """Choose the backend by its name and give it its options."""
        chosen = backends.choose(settings.backend, where=f"stores.{name}.backend")
        options = structure_options(chosen, settings.options, where=f"stores.{name}.options")
        return cls(chosen(options), without_secrets(options))

    def changed_place(self, row: FileStore) -> tuple[str, object, object] | None:
        """The first setting that would put the store elsewhere than its row says, with the values before and after."""
        if row.backend != self.backend.name:
            return "backend", row.backend, self.backend.name
        for name, before in row.configuration.items():
            after = self.configuration.get(name)
            if after != before and (self.backend.place is None or name in self.backend.place):
                return f"options.{name}", before, after
        return None


class FileStores(Mapping[str, FileStoreBackend[Any]]):
    """The open backends, by name and by the id of their row."""

    def __init__(self, rows: Mapping[str, FileStore], backends: Mapping[str, FileStoreBackend[Any]]) -> None:
        self.rows = dict(rows)
        self._backends = dict(backends)
        #: The state of each store, for whoever asks after the server's health: "ok", or what went wrong last.
        self.health = dict.fromkeys(self.rows, OK)
        self._condemned: set[int] = set()

    def by_id(self, store: int) -> FileStoreBackend[Any]:
        """The backend of the store with this id; ``StoreNotConfigured`` when this server does not have it."""
        for row in self.rows.values():
            if row.id == store:
                return self._backends[row.name]
        raise StoreNotConfigured(store)

    async def keep(self, store: int, file: File, source: Path) -> StoreData:
        """Have a store keep a file, as ``FileStoreBackend.store`` says, and remember how that went."""
        with self._noting(store) as backend:
            return await backend.store(file, source)

    def keep_content(self, store: int, file: File, content: bytes) -> StoreData:
        """Have a store keep what is in memory, as ``FileStoreBackend.store_content`` says; blocks."""
        with self._noting(store) as backend:
            return backend.store_content(file, content)

    @contextmanager
    def _noting(self, store: int) -> Iterator[FileStoreBackend[Any]]:
        """Remember how it went what is done with a backend in the block."""
        try:
            yield self.by_id(store)
        except WriteFailed as error:  # a device that has lied once is the operator's to look after
            self._condemned.add(store)
            self._note(store, str(error))
            raise
        except (StorageFull, Unavailable) as error:
            self._note(store, str(error))
            raise
        if store not in self._condemned:
            self._note(store, OK)

    def _note(self, store: int, state: str) -> None:
        name = next(row.name for row in self.rows.values() if row.id == store)
        if self.health[name] != state:
            logger.log(logging.INFO if state == OK else logging.ERROR, "The store %s: %s", name, state)
        self.health[name] = state

    def __getitem__(self, name: str) -> FileStoreBackend[Any]:
        return self._backends[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._backends)

    def __len__(self) -> int:
        return len(self._backends)


def configure(
    settings: Mapping[str, StoreSettings], backends: Registry[type[FileStoreBackend[Any]]]
) -> dict[str, ConfiguredStore]:
    """Build the backend of every configured store, inside the running event loop; nothing is touched yet."""
    return {name: ConfiguredStore.build(name, store, backends) for name, store in settings.items()}


async def open_stores(configured: Mapping[str, ConfiguredStore], database: Database) -> FileStores:
    """See that every configured store is fit to be used, and bring the rows up to date."""
    built = {name: store.backend for name, store in configured.items()}
    await database.read(check, configured)
    for backend in built.values():
        backend.bind(built)
    for backend in built.values():
        await backend.prepare()
    return FileStores(await database.write(record, configured), built)


async def close_all(configured: Mapping[str, ConfiguredStore]) -> None:
    """Close every backend, also when one of them fails to."""
    async with AsyncExitStack() as stack:
        for store in configured.values():
            stack.push_async_callback(store.backend.aclose)


def check(uow: UnitOfWork, configured: Mapping[str, ConfiguredStore]) -> list[FileStore]:
    """Refuse a configuration under which files would not be found any more; return the rows that are there."""
    rows = list(uow.file_stores.all())
    for row in rows:
        if row.name not in configured:
            _check_not_needed(uow, row)
        elif (moved := configured[row.name].changed_place(row)) and uow.file_stores.holds_files(row.id):
            raise StoreMoved(row, *moved)
    return rows


def record(uow: UnitOfWork, configured: Mapping[str, ConfiguredStore]) -> dict[str, FileStore]:
    """Make the rows say what the configuration says; returns them by name."""
    known = {row.name: row for row in check(uow, configured)}
    for name in known.keys() - configured.keys():
        uow.file_stores.delete(known[name].id)
    return {name: _record_one(uow, name, store, known.get(name)) for name, store in configured.items()}


def default_file_store(uow: UnitOfWork) -> FileStore:
    """The store of workspaces that choose none."""
    store = uow.file_stores.default()
    assert store is not None, f"every start records a store named {DEFAULT_STORE}"
    return store


def _record_one(uow: UnitOfWork, name: str, store: ConfiguredStore, row: FileStore | None) -> FileStore:
    if row is None:
        return uow.file_stores.insert(name=name, backend=store.backend.name, configuration=store.configuration)
    wanted = evolve(row, backend=store.backend.name, configuration=store.configuration)
    uow.file_stores.save(wanted, expecting=row)
    return wanted


def _check_not_needed(uow: UnitOfWork, row: FileStore) -> None:
    if uow.file_stores.holds_files(row.id):
        raise StoreVanished(row, "it still holds files")
    users = [workspace.name for workspace in uow.workspaces.all() if row.id in workspace.file_stores]
    if users:
        raise StoreVanished(row, f"the workspace {users[0]} keeps its files there")
