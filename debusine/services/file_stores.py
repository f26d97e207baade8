"""File stores: the places that keep files, open for business, and which of them is the right one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import DebusineError, StorageFull, Unavailable
from debusine.domain.files import File, FileInStore, FileStore
from debusine.domain.stores import StorePolicies
from debusine.domain.workspaces import DEFAULT_STORE, Workspace
from debusine.plugin import FileStoreBackend, StoreData
from debusine.services.store_health import StoreHealth

T = TypeVar("T")


class StoreNotConfigured(Unavailable):
    """A file is in a store that this server's configuration does not name."""

    def __init__(self, store: int) -> None:
        super().__init__(f"The file store {store} is not configured on this server")


class NoStoreTakes(Unavailable):
    """Every store of a workspace is closed for new files."""

    def __init__(self) -> None:
        super().__init__(
            "No store of this workspace takes new files",
            detail="Each is read_only, write_only or drained; the operator can give it another",
        )


class StoresFull(StorageFull):
    """No store of a workspace has room for a file."""

    def __init__(self, size: int) -> None:
        super().__init__("No store of this workspace has room", detail=f"The file has {size} bytes")


@frozen
class Kept:
    """A new object: the store that keeps it, and what finds it there."""

    store: int
    data: StoreData


@frozen
class Opened:
    """One store of this process."""

    row: FileStore
    backend: FileStoreBackend[Any]
    policies: StorePolicies
    health: StoreHealth


class FileStores(Mapping[str, FileStoreBackend[Any]]):
    """The open backends, by name and by the id of their row."""

    def __init__(
        self,
        rows: Mapping[str, FileStore],
        backends: Mapping[str, FileStoreBackend[Any]],
        policies: Mapping[str, StorePolicies] | None = None,
    ) -> None:
        self.rows = dict(rows)
        chosen = policies or {}
        self._opened = {
            row.id: Opened(row, backends[name], chosen.get(name, StorePolicies()), StoreHealth(name))
            for name, row in rows.items()
        }
        #: Bytes in those stores where it matters, as far as this process knows: counted now and then.
        self.sizes: dict[int, int] = {}

    @property
    def alone(self) -> bool:
        """Whether there is nothing to choose: one store that takes everything."""
        return len(self._opened) == 1 and all(
            each.policies.takes_files and not each.policies.limited for each in self._opened.values()
        )

    @property
    def health(self) -> dict[str, str]:
        """The state of each store, for whoever asks after the server's health: "ok", or what went wrong last."""
        return {each.row.name: each.health.state for each in self._opened.values()}

    def opened(self) -> Sequence[Opened]:
        """Every store."""
        return tuple(self._opened.values())

    def by_id(self, store: int) -> FileStoreBackend[Any]:
        """The backend of the store with this id; ``StoreNotConfigured`` when this server does not have it."""
        return self._get(store).backend

    def name_of(self, store: int) -> str:
        """How people call a store; its number when this server does not have it."""
        return self._opened[store].row.name if store in self._opened else str(store)

    def policies_of(self, store: int) -> StorePolicies:
        """What a store is used for."""
        return self._get(store).policies

    def health_of(self, store: int) -> StoreHealth:
        """How a store fares."""
        return self._get(store).health

    def takers(self, workspace: Workspace, size: int) -> tuple[int, ...]:
        """The stores of a workspace to which a new file of so many bytes may go, the best one first."""
        stores = [store for store in workspace.file_stores if store in self._opened]
        return tuple(sorted((store for store in stores if self._takes(store, size)), key=self._reluctance))

    def receivers(self, size: int, *, of: int) -> tuple[int, ...]:
        """The stores to which a file may move from a store, the best one first."""
        wanted, places = self.policies_of(of).drain_to, self.in_one_place_with(of)
        named = [each.row.id for each in self._opened.values() if wanted in {None, each.row.name}]
        fit = (store for store in named if store not in places and self._takes(store, size))
        return tuple(sorted(fit, key=self._reluctance))

    def in_one_place_with(self, store: int) -> set[int]:
        """The stores that have the same objects as a store, because one stands in front of the other; and itself."""
        name = self._get(store).row.name
        before = {each.row.name for each in self._opened.values() if name in self._behind(each.row.name)}
        return {self.rows[other].id for other in {name} | before | self._behind(name) if other in self.rows}

    def _behind(self, name: str) -> set[str]:
        found, waiting = set[str](), list(self[name].fronts)
        while waiting:
            other = waiting.pop()
            if other not in found and other in self.rows:
                found.add(other)
                waiting.extend(self[other].fronts)
        return found

    def fits(self, store: int, size: int) -> bool:
        """Whether so many bytes more would not be too many."""
        most = self.policies_of(store).max_size
        return most is None or self.sizes.get(store, 0) + size <= most

    def above_soft_limit(self, store: int) -> int:
        """How many bytes a store has more than it should."""
        most = self.policies_of(store).soft_max_size
        return 0 if most is None else max(0, self.sizes.get(store, 0) - most)

    def why_none_takes(self, workspace: Workspace, size: int) -> DebusineError:
        """The reason why ``takers`` is empty."""
        stores = [self._opened[store] for store in workspace.file_stores if store in self._opened]
        return StoresFull(size) if any(each.policies.takes_files for each in stores) else NoStoreTakes()

    def readers(self, copies: Sequence[FileInStore]) -> list[FileInStore]:
        """Those copies that may be read, the best one first; of equal ones the order stays."""
        known = [copy for copy in copies if copy.store in self._opened]
        readable = [copy for copy in known if not self.policies_of(copy.store).write_only]
        return sorted(readable, key=lambda copy: self._distance(copy.store))

    def note_size(self, store: int, change: int) -> None:
        """Remember that a store has more or fewer bytes than when they were counted."""
        if store in self.sizes:
            self.sizes[store] += change

    async def keep(self, stores: Sequence[int], file: File, source: Path) -> Kept:
        """Have one of the stores keep a file, as ``FileStoreBackend.store`` says: the first one that does."""
        failure: DebusineError | None = None
        for store in stores:
            try:
                return await self.keep_in(store, file, source)
            except (StorageFull, Unavailable) as error:
                failure = failure or error
        assert failure is not None, "there is at least one store to try"
        raise failure

    async def keep_in(self, store: int, file: File, source: Path) -> Kept:
        """Have a store keep a file, and remember how that went."""
        with self.watching(store, writing=True) as backend:
            kept = Kept(store, await backend.store(file, source))
        self.note_size(store, file.size)
        return kept

    def keep_content(self, stores: Sequence[int], file: File, content: bytes) -> Kept:
        """Have one of the stores keep what is in memory, as ``FileStoreBackend.store_content`` says; blocks."""

        def attempt(store: int) -> Kept:
            with self.watching(store, writing=True) as backend:
                kept = Kept(store, backend.store_content(file, content))
            self.note_size(store, file.size)
            return kept

        return _first(attempt, [store for store in stores if self.by_id(store).takes_content])

    @contextmanager
    def watching(self, store: int, *, writing: bool = False) -> Iterator[FileStoreBackend[Any]]:
        """Do something with a backend in the block, and remember how it went."""
        opened = self._get(store)
        with opened.health.watching(writing=writing):
            yield opened.backend

    def _get(self, store: int) -> Opened:
        try:
            return self._opened[store]
        except KeyError:
            raise StoreNotConfigured(store) from None

    def _takes(self, store: int, size: int) -> bool:
        return self.policies_of(store).takes_files and self.fits(store, size)

    def _reluctance(self, store: int) -> tuple[bool, bool, int]:
        each = self._opened[store]
        return not each.health.takes, self.above_soft_limit(store) > 0, -each.policies.upload_priority

    def _distance(self, store: int) -> tuple[bool, int]:
        each = self._opened[store]
        return not each.health.gives, -each.policies.download_priority

    def __getitem__(self, name: str) -> FileStoreBackend[Any]:
        return self._opened[self.rows[name].id].backend

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def default_file_store(uow: UnitOfWork) -> FileStore:
    """The store of workspaces that choose none."""
    store = uow.file_stores.default()
    assert store is not None, f"every start records a store named {DEFAULT_STORE}"
    return store


def _first(attempt: Callable[[int], T], stores: Sequence[int]) -> T:
    """What the first store does that can; the error of the first when none can."""
    failure: DebusineError | None = None
    for store in stores:
        try:
            return attempt(store)
        except (StorageFull, Unavailable) as error:
            failure = failure or error
    assert failure is not None, "there is at least one store to try"
    raise failure
