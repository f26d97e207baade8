"""Stores in the buckets of test servers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import frozen
from botocore.retries.standard import ExponentialBackoff
from debusine_filestore_s3 import client, reading
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


def without_pauses(patch: pytest.MonkeyPatch) -> None:
    """Let stores try again at once."""
    patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.001)
    patch.setattr(client, "PAUSE", 0.001)
    patch.setattr(reading, "PAUSE", 0.001)


@frozen
class Held:
    """What a bucket really holds, seen without the store."""

    #: Key → size.
    objects: Mapping[str, int]
    #: Keys of uploads that were not finished.
    uploads: tuple[str, ...]


def held(server: S3Server, bucket: str) -> Held:
    """Look into a bucket."""
    client = server.client()
    objects = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    client.close()
    return Held({each["Key"]: each["Size"] for each in objects}, tuple(each["Key"] for each in uploads))


#: A bucket in which nothing is left.
EMPTY = Held({}, ())
