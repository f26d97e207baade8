"""Keeps a farm's files in an S3 bucket."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import FileStoreBackend, hookimpl


@hookimpl
def debusine_file_stores() -> Iterable[type[FileStoreBackend[Any]]]:
    """Yield ``s3``."""
    from debusine_filestore_s3.backend import S3FileStore

    yield S3FileStore
