"""Keeps a farm's files in a directory of this machine."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import FileStoreBackend, hookimpl


@hookimpl
def debusine_file_stores() -> Iterable[type[FileStoreBackend[Any]]]:
    """Yield ``local``."""
    from debusine_filestore_local.backend import LocalFileStore

    yield LocalFileStore
