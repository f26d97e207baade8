"""Configured stores: what the configuration says of file stores, checked against what they hold, and opened."""

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from itertools import combinations
from typing import Any

from attrs import evolve, field, frozen

from debusine.config import StoreSettings
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import ConfigurationError, DebusineError, Unavailable
from debusine.domain.files import FileStore
from debusine.domain.stores import StorePolicies
from debusine.plugin import FileStoreBackend
from debusine.plugin.options import structure_options, without_secrets
from debusine.plugin.registry import Registry
from debusine.services import workspaces
from debusine.services.file_stores import FileStores
from debusine.services.store_checks import check_holdings, make_ready

logger = logging.getLogger(__name__)


class StoreVanished(ConfigurationError):
    """The configuration does not name a store any more that is still needed."""

    def __init__(self, row: FileStore, reason: str) -> None:
        super().__init__(
            f"stores.{row.name}: the configuration does not name this store any more, but {reason}; "
            f'put it back (backend = "{row.backend}", options {dict(row.configuration)}), '
            f"and empty it with: debusine-admin stores migrate {row.name} OTHER"
        )


class StoreMoved(ConfigurationError):
    """The configuration names another place for a store that still holds files."""

    def __init__(self, row: FileStore, setting: str, before: object, after: object) -> None:
        super().__init__(
            f"stores.{row.name}.{setting}: this store still holds files, so it cannot change from {before!r} to "
            f"{after!r}; set it back, and name the new place as a store of another name"
        )


class SamePlace(ConfigurationError):
    """Two stores would meet each other's objects."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(
            f"stores.{first} and stores.{second} keep their files in the same place, or one inside the other's; "
            "give each a place of its own"
        )


class NoStoreWorks(ConfigurationError):
    """None of the stores can be used."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"stores.{name}: {reason}" for name, reason in reasons.items()))


@frozen
class ConfiguredStore:
    """A store as the configuration wants it, its backend built and not used yet."""

    backend: FileStoreBackend[Any]
    #: The options without secrets, as they stand in the row.
    configuration: Mapping[str, Any]
    policies: StorePolicies = field(factory=StorePolicies)

    @classmethod
    def build(
        cls, name: str, settings: StoreSettings, backends: Registry[type[FileStoreBackend[Any]]]
    ) -> "ConfiguredStore":
        """Choose the backend by its name and give it its options."""
        chosen = backends.choose(settings.backend, where=f"stores.{name}.backend")
        options = structure_options(chosen, settings.options, where=f"stores.{name}.options")
        return cls(chosen(options), without_secrets(options), settings)

    def changed_place(self, row: FileStore) -> tuple[str, object, object] | None:
        """The first setting that would put the store elsewhere than its row says, with the values before and after."""
        if row.backend != self.backend.name:
            return "backend", row.backend, self.backend.name
        places = [self.backend.place_of_options(options) for options in (row.configuration, self.configuration)]
        for name, before in places[0].items():
            if places[1].get(name) != before:
                return f"options.{name}", row.configuration.get(name), self.configuration.get(name)
        return None


Configured = Mapping[str, ConfiguredStore]


def configure(
    settings: Mapping[str, StoreSettings], backends: Registry[type[FileStoreBackend[Any]]]
) -> dict[str, ConfiguredStore]:
    """Build the backend of every configured store, inside the running event loop; nothing is touched yet."""
    return {name: ConfiguredStore.build(name, store, backends) for name, store in settings.items()}


async def open_stores(configured: Configured, database: Database) -> FileStores:
    """See that the configured stores are fit to be used, and bring the rows up to date.

    One that does not work is left to recover while the others are used; ``NoStoreWorks`` when none does.
    """
    built = {name: store.backend for name, store in configured.items()}
    for name, backend in built.items():
        _bind(name, backend, built)
    check_places(built)
    rows_before = await database.read(check, configured)
    holding = await database.read(lambda uow: {row.name for row in rows_before if uow.file_stores.holds_files(row.id)})
    broken = await _prepare(configured, holding)
    rows = await database.write(record, configured)
    policies = {name: store.policies for name, store in configured.items()}
    stores = FileStores(rows, built, policies)
    for name, reason in broken.items():
        stores.health_of(rows[name].id).start_broken(reason)
    await _notice_lost_places(stores, database)
    await database.write(let_workspaces_follow, stores)
    return stores


async def close_all(configured: Configured) -> None:
    """Close every backend, also when one of them fails to."""
    async with AsyncExitStack() as stack:
        for store in configured.values():
            stack.push_async_callback(store.backend.aclose)


def check_places(backends: Mapping[str, FileStoreBackend[Any]]) -> None:
    """``SamePlace`` when two stores would take each other's objects for theirs."""
    for (first, one), (second, other) in combinations(backends.items(), 2):
        if one.name == other.name and (one.shares_place_with(other) or other.shares_place_with(one)):
            raise SamePlace(first, second)


def check(uow: UnitOfWork, configured: Configured) -> list[FileStore]:
    """Refuse a configuration under which files would not be found any more; return the rows that are there."""
    rows = list(uow.file_stores.all())
    holding = _holding(configured, {row.name for row in rows if uow.file_stores.holds_files(row.id)})
    for row in rows:
        if row.name not in configured:
            _check_not_needed(uow, row, holds_files=row.name in holding)
        elif row.name in holding and (moved := configured[row.name].changed_place(row)):
            raise StoreMoved(row, *moved)
    return rows


def record(uow: UnitOfWork, configured: Configured) -> dict[str, FileStore]:
    """Make the rows say what the configuration says; returns them by name."""
    known = {row.name: row for row in check(uow, configured)}
    for name in known.keys() - configured.keys():
        uow.file_stores.delete(known[name].id)
    return {name: _record_one(uow, name, store, known.get(name)) for name, store in configured.items()}


def let_workspaces_follow(uow: UnitOfWork, stores: FileStores) -> None:
    """Give every workspace the stores to which its files may move."""
    for each in stores.opened():
        if each.policies.drain or each.policies.soft_max_size is not None:
            for receiver in stores.receivers(0, of=each.row.id):
                workspaces.reach(uow, having=each.row.id, also=receiver)


async def _notice_lost_places(stores: FileStores, database: Database) -> None:
    """Rely on no store that has none of the files which it got last: another disk is mounted there, or none."""
    for each in stores.opened():
        if each.health.prepared:
            try:
                await check_holdings(database, each)
            except Unavailable as error:
                each.health.start_broken(error)


def _bind(name: str, backend: FileStoreBackend[Any], built: Mapping[str, FileStoreBackend[Any]]) -> None:
    try:
        backend.bind(built)
    except ConfigurationError as error:
        raise ConfigurationError(f"stores.{name}: {error}") from error


async def _prepare(configured: Configured, holding: Collection[str]) -> dict[str, DebusineError]:
    """Have every place ready; returns why some are not."""
    broken: dict[str, DebusineError] = {}
    for name in _behind_first({name: store.backend for name, store in configured.items()}):
        try:
            await _prepare_one(configured[name], holds_files=name in holding)
        except (ConfigurationError, Unavailable) as error:
            broken[name] = error
    if len(broken) == len(configured):
        raise NoStoreWorks({name: str(reason) for name, reason in broken.items()})
    return broken


async def _prepare_one(store: ConfiguredStore, *, holds_files: bool) -> None:
    if not store.policies.read_only:  # else nothing is to be made there; whether the files are there is seen afterwards
        await make_ready(store.backend, holds_files=holds_files)


def _behind_first(built: Mapping[str, FileStoreBackend[Any]]) -> list[str]:
    """The names of the stores, those that stand in front of others after these; there are no circles."""
    ordered: list[str] = []

    def add(names: Iterable[str]) -> None:
        for name in names:
            if name not in ordered:
                add(built[name].fronts)
                ordered.append(name)

    add(built)
    return ordered


def _holding(configured: Configured, names: set[str]) -> set[str]:
    """The stores with files, those included that hold them for a store that stands in front of them."""
    found = set[str]()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(configured[name].backend.fronts if name in configured else ())
    return found


def _record_one(uow: UnitOfWork, name: str, store: ConfiguredStore, row: FileStore | None) -> FileStore:
    if row is None:
        return uow.file_stores.insert(name=name, backend=store.backend.name, configuration=store.configuration)
    wanted = evolve(row, backend=store.backend.name, configuration=store.configuration)
    uow.file_stores.save(wanted, expecting=row)
    return wanted


def _check_not_needed(uow: UnitOfWork, row: FileStore, *, holds_files: bool) -> None:
    if holds_files:
        raise StoreVanished(row, "it still holds files")
    users = [workspace.name for workspace in uow.workspaces.all() if row.id in workspace.file_stores]
    if users:
        raise StoreVanished(row, f"the workspace {users[0]} keeps its files there")
