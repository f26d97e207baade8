"""Farms whose files are in stores of any kind, and what is really in these stores."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from debusine.db.engine import sqlite_url
from scripts.demo.machine import CHECKOUT
from tests.e2e.farm import Answer, Farm, NotInTime, eventually, running_farm
from tests.e2e.small_chunks import CHUNK
from tests.s3.servers import S3Server


@frozen(kw_only=True)
class Place:
    """Where a store keeps its files, seen from behind the farm's back."""

    #: Of the configuration's file.
    toml: str
    #: What names the objects that are there.
    keys: Callable[[], set[str]]
    #: How many objects were begun and have not come to their end.
    begun: Callable[[], int] = lambda: 0


def store(name: str, backend: str, options: Mapping[str, Any], **policies: Any) -> str:
    """A store, as it stands in the configuration's file."""
    lines = [f"[stores.{name}]", f"backend = {json.dumps(backend)}", *_settings(policies)]
    return "\n".join([*lines, f"[stores.{name}.options]", *_settings(options), ""])


def _settings(values: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]


def local_place(directory: Path, name: str = "Default", **policies: Any) -> Place:
    """A directory."""

    async def keys() -> set[str]:
        backend = LocalFileStore(LocalOptions(base_directory=directory))
        return {entry.data["key"] async for entry in backend.entries()}

    toml = store(name, "local", {"base_directory": str(directory)}, **policies)
    return Place(toml=toml, keys=lambda: asyncio.run(keys()))


def s3_options(server: S3Server, bucket: str, directory: Path, **changes: Any) -> dict[str, Any]:
    """The options of a store in a bucket, its secret in a file of the directory."""
    secret = directory / "s3.secret"
    secret.touch(mode=0o600)
    secret.write_text(server.secret_key)
    return {**server.settings(bucket), "secret_access_key_file": str(secret), **changes}


def s3_place(server: S3Server, directory: Path, name: str = "Default", **changes: Any) -> Place:
    """A new bucket."""
    bucket = server.new_bucket()
    return Place(
        toml=store(name, "s3", s3_options(server, bucket, directory, **changes)),
        keys=lambda: _keys(server, bucket),
        begun=lambda: _begun(server, bucket),
    )


def cached_place(server: S3Server, directory: Path) -> Place:
    """A new bucket with a cache in front of it."""
    behind = s3_place(server, directory, "Bucket")
    options = {"store": "Bucket", "directory": str(directory / "cache"), "max_bytes": 100 << 20}
    return Place(toml=behind.toml + store("Default", "cache", options), keys=behind.keys, begun=behind.begun)


def _keys(server: S3Server, bucket: str) -> set[str]:
    client = server.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    found = {each["Key"] for page in pages for each in page.get("Contents", ())}
    client.close()
    return found


def _begun(server: S3Server, bucket: str) -> int:
    client = server.client()
    found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    client.close()
    return len(found)


@contextmanager
def store_farm(directory: Path, configuration: str, database: str = "") -> Iterator[Farm]:
    """A farm with these stores."""
    top = f"database = {json.dumps(database)}\n" if database else ""
    with running_farm(directory, top + configuration) as farm:
        yield farm


def recorded(farm: Farm, database: str = "") -> dict[str, list[str]]:
    """Of which objects the rows tell, by the store's name."""
    engine = sa.create_engine(database or sqlite_url(farm.data / "debusine.sqlite"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        statement = "SELECT name, data FROM files_in_stores JOIN file_stores ON file_stores.id = files_in_stores.store"
        rows = connection.execute(sa.text(statement)).all()
    found: dict[str, list[str]] = {}
    for name, data in rows:
        found.setdefault(name, []).append((json.loads(data) if isinstance(data, str) else data)["key"])
    return found


def assert_nothing_else(farm: Farm, places: Mapping[str, Place], database: str = "", lost: int = 0) -> None:
    """See that the places hold the objects of which rows tell, no other ones, and nothing begun.

    ``lost``: so many objects may be there of which nobody knows, because the server was killed while it made them.
    """

    def surplus() -> int:
        rows = recorded(farm, database)
        found = {name: place.keys() for name, place in places.items()}
        missing = [key for name, keys in rows.items() for key in keys if key not in found.get(name, {key})]
        assert missing == []
        more = sum(len(keys) for keys in found.values()) - sum(len(keys) for keys in rows.values())
        return more + sum(place.begun() for place in places.values())

    try:
        eventually("nothing else is there", lambda: surplus() <= lost)
    except NotInTime:
        assert surplus() <= lost, f"{surplus()} more are there"
    assert [path for path in (farm.data / "uploads").iterdir() if path.is_file()] == []


def debusine(farm: Farm, *arguments: str, address: str | None = None) -> Any:
    """What the client's command prints, which sends files in small chunks; ``address``: by another way."""
    configuration = farm.directory / "client.ini"
    if address is not None:
        text = configuration.read_text().replace(farm.listen, address)
        configuration = farm.directory / f"client-{address.rpartition(':')[2]}.ini"
        configuration.touch(mode=0o600)
        configuration.write_text(text)
    words = ["--config-file", str(configuration), "--json", *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.small_chunks", *words],
        capture_output=True, text=True, cwd=CHECKOUT, env=dict(os.environ), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def declare(farm: Farm, files: Mapping[str, bytes], workspace: str | None = None) -> int:
    """Make an artifact whose files have yet to come."""
    described = {
        path: {
            "size": len(content),
            "checksums": {"sha256": hashlib.sha256(content).hexdigest()},
            "type": "file",
            "content_type": "text/plain; charset=utf-8",
        }
        for path, content in files.items()
    }
    body = {"category": "debusine:test", "files": described, "data": {}}
    answer = farm.request("POST", "/api/1.0/artifact/", body | ({"workspace": workspace} if workspace else {}))
    assert answer.status == 201, answer.body
    return int(answer.json()["id"])


def file_path(artifact: int, path: str) -> str:
    """Where the bytes of a file go."""
    return f"/api/1.0/artifact/{artifact}/files/{path}/"


def put(farm: Farm, artifact: int, path: str, content: bytes, start: int = 0, stop: int | None = None) -> Answer:
    """Send a file, or a chunk of it."""
    stop = len(content) if stop is None else stop
    whole = (start, stop) == (0, len(content))
    headers = {} if whole else {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
    return farm.request("PUT", file_path(artifact, path), content[start:stop], headers=headers)


def put_chunks(farm: Farm, artifact: int, path: str, content: bytes, chunk: int = CHUNK) -> list[int]:
    """Send a file chunk by chunk; returns the statuses."""
    starts = range(0, len(content), chunk)
    return [put(farm, artifact, path, content, start, min(start + chunk, len(content))).status for start in starts]


def probe(farm: Farm, artifact: int, path: str, size: int) -> int:
    """How many bytes of an unfinished file the server has."""
    headers = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
    answer = farm.request("PUT", file_path(artifact, path), headers=headers)
    assert answer.status == 206, answer.body
    return int(answer.headers["Range"].rpartition("-")[2])


def download_path(farm: Farm, artifact: int, path: str) -> str:
    """Where a file is found, as a path of the server."""
    url: str = farm.request("GET", f"/api/1.0/artifact/{artifact}/").json()["files"][path]["url"]
    return "/" + url.split("/", 3)[3]


def fetch(farm: Farm, artifact: int, path: str, part: str | None = None) -> Answer:
    """Download a file, or a part of it."""
    return farm.request("GET", download_path(farm, artifact, path), headers={"Range": part} if part else {})
