"""Finding the store behind a cache."""

from collections.abc import Mapping
from typing import Any

from debusine.plugin import ConfigurationError, FileStoreBackend

Stores = Mapping[str, FileStoreBackend[Any]]


def store_behind(cache: FileStoreBackend[Any], name: str, stores: Stores) -> FileStoreBackend[Any]:
    """The store of a name; ``ConfigurationError`` when there is none, or when it leads back to the cache."""
    if name not in stores:
        others = ", ".join(sorted(other for other, store in stores.items() if store is not cache))
        raise ConfigurationError(
            f"A cache is to stand in front of the store {name!r}, which the configuration does not have; "
            f"set its option store to one of: {others}."
        )
    circle = _way_to(cache, name, stores, ())
    if circle:
        own = next((other for other, store in stores.items() if store is cache), name)
        raise ConfigurationError(
            f"The cache {own!r} stands in front of itself ({' -> '.join((own, *circle))}); "
            "set its option store to one that keeps files itself."
        )
    return stores[name]


def _way_to(cache: FileStoreBackend[Any], name: str, stores: Stores, seen: tuple[str, ...]) -> tuple[str, ...]:
    """The names that lead from a store to the cache, itself first and the cache last; none when it does not."""
    store = stores.get(name)
    if store is cache:
        return (*seen, name)
    if store is None or name in seen:
        return ()
    ways = (_way_to(cache, behind, stores, (*seen, name)) for behind in store.fronts)
    return next(filter(None, ways), ())
