"""Keeps copies of what another store holds on a disk of this machine."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import FileStoreBackend, hookimpl


@hookimpl
def debusine_file_stores() -> Iterable[type[FileStoreBackend[Any]]]:
    """Yield ``cache``."""
    from debusine_filestore_cache.backend import CacheFileStore

    yield CacheFileStore
