"""Who speaks to the API: a key, and the requests that clients and workers send with it."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from attrs import evolve, frozen

from tests.wire.raw import Raw, exchange

API = "/api/1.0/"
SOCKETS = "/api/ws/1.0/"

Json = dict[str, Any]


@frozen
class Api:
    """Somebody with a key; None: somebody without one."""

    address: tuple[str, int]
    key: str | None

    def by(self, key: str | None) -> "Api":
        """Somebody else at the same server."""
        return evolve(self, key=key)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Raw:
        """Send a request; paths that do not begin with a slash are those of the API."""
        target = path if path.startswith("/") else API + path
        token = {} if self.key is None else {"Token": self.key}
        return exchange(self.address, method, target, {**token, **(headers or {})}, body)

    def get(self, path: str, **headers: str) -> Raw:
        """GET."""
        return self.ask("GET", path, headers=_written(headers))

    def delete(self, path: str) -> Raw:
        """DELETE."""
        return self.ask("DELETE", path)

    def send(self, method: str, path: str, value: object, **headers: str) -> Raw:
        """Send JSON as clients do."""
        body = json.dumps(value).encode()
        return self.ask(method, path, body, {"Content-Type": "application/json", **_written(headers)})

    def post(self, path: str, value: object, **headers: str) -> Raw:
        """POST JSON."""
        return self.send("POST", path, value, **headers)

    def put(self, path: str, value: object, **headers: str) -> Raw:
        """PUT JSON."""
        return self.send("PUT", path, value, **headers)

    def declare(
        self, files: Mapping[str, bytes], category: str = "debusine:test", data: object = None, **more: object
    ) -> Json:
        """Make an artifact whose files are still to be sent."""
        value = {"category": category, "files": described(files), "data": data or {}, **more}
        answer: Json = self.post("artifact/", value).json(201)
        return answer

    def upload(
        self, artifact: int, path: str, content: bytes, start: int | None = None, size: int | None = None
    ) -> Raw:
        """PUT bytes of a file: all of it, or a chunk that begins at ``start``."""
        whole = len(content) if size is None else size
        begin = start or 0
        span = f"bytes {begin}-{begin + len(content) - 1}/{whole}"
        return self.ask("PUT", file_path(artifact, path), content, {"Content-Range": span})

    def probe(self, artifact: int, path: str, size: int | str) -> Raw:
        """Ask how far a file is."""
        return self.ask("PUT", file_path(artifact, path), b"", {"Content-Range": f"bytes */{size}"})

    def artifact(self, files: Mapping[str, bytes] | None = None, **more: Any) -> Json:
        """Make an artifact and send its files."""
        files = {"file.bin": os.urandom(16)} if files is None else files
        made = self.declare(files, **more)
        for path in made["files_to_upload"]:
            assert self.upload(made["id"], path, files[path]).empty(201)
        answer: Json = self.get(f"artifact/{made['id']}/").json()
        return answer

    def submit(self, task: str = "noop", data: object = None, **more: object) -> Json:
        """Make a work request."""
        answer: Json = self.post("work-request/", {"task_name": task, "task_data": data or {}, **more}).json(200)
        return answer

    def work_request(self, number: int) -> Json:
        """A work request as it is now."""
        answer: Json = self.get(f"work-request/{number}/").json()
        return answer

    def abort_everything(self) -> None:
        """Leave no work behind that another test's worker could be given."""
        first, path = _CLEAN.get(self.address, 0), "work-request/?page_size=20"
        newest = first
        while path:
            page = self.get(path).json()
            found = [each for each in page["results"] if each["id"] > first]
            newest = max([newest, *(each["id"] for each in found)])
            for each in found:
                if each["status"] in {"pending", "running", "blocked"}:
                    self.post(f"work-request/{each['id']}/abort/", {})
            path = path_of(page["next"]) if page["next"] and len(found) == len(page["results"]) else ""
        _CLEAN[self.address] = newest


#: Server → up to which work request everything has ended.
_CLEAN: dict[tuple[str, int], int] = {}


def described(files: Mapping[str, bytes]) -> Json:
    """Files as a client declares them."""
    return {
        path: {
            "size": len(content),
            "checksums": {"sha256": hashlib.sha256(content).hexdigest()},
            "type": "file",
            "content_type": "text/plain; charset=us-ascii",
        }
        for path, content in files.items()
    }


def file_path(artifact: int, path: str) -> str:
    """Where a file is sent: percent-encoded, its slashes kept, one slash at the end."""
    return f"artifact/{artifact}/files/{quote(path)}/"


def path_of(url: str) -> str:
    """What of an absolute URL goes into a request's first line."""
    return "/" + url.split("/", 3)[3]


def _written(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
