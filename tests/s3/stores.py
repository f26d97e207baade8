"""Stores in the buckets of test servers."""

import itertools
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

_numbers = itertools.count(1)


def options_for(server: S3Server, **changes: Any) -> S3Options:
    """The options of an empty store: below a prefix of its own, unless the changes name a bucket."""
    settings = server.settings(changes.get("bucket") or server.shared_bucket())
    own = {"prefix": "" if "bucket" in changes else f"store-{next(_numbers)}/", "secret_access_key": server.secret_key}
    return structure({**settings, **own, **changes}, S3Options)


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
    """What a store really holds, seen without it."""

    #: Key → size.
    objects: Mapping[str, int]
    #: Keys of uploads that were not finished.
    uploads: tuple[str, ...]


def held(server: S3Server, options: S3Options) -> Held:
    """Look into a bucket, below the store's prefix."""
    client = server.client()
    place = {"Bucket": options.bucket, "Prefix": options.prefix}
    objects = client.list_objects_v2(**place).get("Contents", [])
    uploads = client.list_multipart_uploads(**place).get("Uploads", [])
    client.close()
    short = len(options.prefix)
    return Held({each["Key"][short:]: each["Size"] for each in objects}, tuple(each["Key"][short:] for each in uploads))


#: A store in which nothing is left.
EMPTY = Held({}, ())
