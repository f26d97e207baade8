"""Stores in the buckets of test servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from debusine_filestore_s3.backend import S3FileStore
from debusine_filestore_s3.options import S3Options

from debusine.plugin import structure
from tests.s3.servers import S3Server


def options_for(server: S3Server, **changes: Any) -> S3Options:
    """The options of a store in a new bucket, or the one that the changes name."""
    settings = dict(server.settings(changes.pop("bucket", None) or server.new_bucket()))
    return structure(settings | {"secret_access_key": server.secret_key} | changes, S3Options)


@asynccontextmanager
async def open_store(options: S3Options) -> AsyncIterator[S3FileStore]:
    """A store, closed at the end."""
    backend = S3FileStore(options)
    try:
        yield backend
    finally:
        await backend.aclose()
