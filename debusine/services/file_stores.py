"""File stores: the configured places that keep files, open for business."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from debusine.domain.errors import Unavailable
from debusine.domain.files import FileStore
from debusine.plugin import FileStoreBackend


class StoreNotConfigured(Unavailable):
    """A file is in a store that this server's configuration does not name."""

    def __init__(self, store: int) -> None:
        super().__init__(f"The file store {store} is not configured on this server")


class FileStores(Mapping[str, FileStoreBackend[Any]]):
    """The open backends, by name and by the id of their row."""

    def __init__(self, stores: Iterable[tuple[FileStore, FileStoreBackend[Any]]] = ()) -> None:
        pairs = list(stores)
        self.rows = {row.name: row for row, _ in pairs}
        self._backends = {row.name: backend for row, backend in pairs}
        self._by_id = {row.id: backend for row, backend in pairs}

    def by_id(self, store: int) -> FileStoreBackend[Any]:
        """The backend of the store with this id; ``StoreNotConfigured`` when this server does not have it."""
        try:
            return self._by_id[store]
        except KeyError:
            raise StoreNotConfigured(store) from None

    async def aclose(self) -> None:
        """Close every backend, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for backend in self._backends.values():
                stack.push_async_callback(backend.aclose)

    def __getitem__(self, name: str) -> FileStoreBackend[Any]:
        return self._backends[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._backends)

    def __len__(self) -> int:
        return len(self._backends)
