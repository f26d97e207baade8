"""How the installed client and worker speak HTTP: what they send, what they accept, when they try again."""

import hashlib
import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import frozen

from tests.foreign.reading import RELATION, Json, read, read_artifact

CHUNK = 52_428_800
#: Artifacts with a larger file, or as much in all, are downloaded file by file.
LARGE_FILE, LARGE_ARTIFACT = 20 << 20, 100 << 20
_RANGE = re.compile(r"bytes=(?P<start>\d+)-(?P<end>\d+)")


class Problem(Exception):
    """The server said what is wrong."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.problem = problem


class Unexpected(Exception):
    """An answer with a status that nobody expects; the installed client ends with a traceback or in one line."""


class UploadFailed(Exception):
    """A file could not be sent."""


@frozen
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@frozen
class Transport:
    """The one server that a client or worker knows."""

    api_url: str
    token: str | None = None
    #: Only the client has one; a worker never sends it.
    scope: str | None = None
    #: By how much the pauses of the real ones are shortened.
    scale: float = 1.0
    chunk: int = CHUNK

    @property
    def base(self) -> str:
        """Where the endpoints are."""
        return f"{self.api_url.rstrip('/')}/1.0/"

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own; ``OSError`` and ``HTTPException`` when it breaks."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
        token = {} if self.token is None else {"Token": self.token}
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.putrequest(method, target, skip_accept_encoding=True)
            sent = {"Accept-Encoding": "gzip, deflate", "Accept": "*/*", **token, **(headers or {})}
            if body is not None:
                sent["Content-Length"] = str(len(body))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, value: object = None, *, expect: Iterable[int]) -> Any:
        """A JSON request; the answer is looked at in the client's order: a problem first, whatever its status."""
        headers = {"Content-Type": "application/json"}
        if self.scope is not None:
            headers["X-Debusine-Scope"] = self.scope
        url = path if path.startswith("http") else self.base + path
        answer = self.request(method, url, None if value is None else json.dumps(value).encode(), headers)
        if answer.status in {301, 302, 307, 308}:
            answer = self.request(method, answer.headers["Location"], None, headers)
        if answer.headers.get("Content-Type") == "application/problem+json":
            raise Problem(answer.status, json.loads(answer.body))
        if answer.status not in expect:
            raise Unexpected(f"{method} {url}: {answer.status} {answer.body[:200]!r}")
        return json.loads(answer.body) if answer.body else None

    def artifact(self, number: int, slash: str = "/") -> Json:
        """The description of an artifact; downloads ask without the slash."""
        return read_artifact(self.call("GET", f"artifact/{number}{slash}", expect=[200]))

    def create_artifact(self, value: Json, files: Mapping[str, Path]) -> Json:
        """Declare an artifact and send what is to be sent."""
        made = read_artifact(self.call("POST", "artifact/", value, expect=[201]))
        for path in made["files_to_upload"]:
            self.upload(made["id"], path, files[path])
        return made

    def relate(self, artifact: int, target: int, kind: str) -> Json:
        """Make a relation, which may be there already."""
        value = {"artifact": artifact, "target": target, "type": kind}
        return read(self.call("POST", "artifact-relation/", value, expect=[200, 201]), RELATION)

    def upload(self, artifact: int, path: str, local: Path) -> None:
        """Send a file; a wrong hash is a reason to begin again, three times."""
        url = f"{self.base}artifact/{artifact}/files/{quote(path)}/"
        for _ in range(3):
            if self._upload_once(url, local):
                return
        raise UploadFailed(f"Error uploading {path}")

    def _upload_once(self, url: str, local: Path) -> bool:
        size = local.stat().st_size
        if size == 0:
            raise ValueError("cannot mmap an empty file")
        probe = self.request("PUT", url, b"", {"Content-Range": f"bytes */{size}"})
        if probe.status == 200:
            return True
        if probe.status != 206:
            raise Unexpected(f"probe: {probe.status} {probe.body[:200]!r}")
        offset = _received(probe)
        with local.open("rb") as file:
            while True:
                file.seek(offset)
                answer = self._send_chunk(url, file.read(self.chunk), offset, size)
                if answer.status == 201:
                    return True
                if answer.status == 409:
                    return False
                if answer.status != 200:
                    raise Unexpected(f"chunk: {answer.status} {answer.body[:200]!r}")
                offset = _received(answer)

    def _send_chunk(self, url: str, content: bytes, offset: int, size: int) -> Answer:
        """Send a chunk; when the connection breaks, the same chunk again, three times, after pauses."""
        span = f"bytes {offset}-{offset + len(content) - 1}/{size}"
        for _ in range(3):
            try:
                return self.request("PUT", url, content, {"Content-Range": span})
            except (OSError, http.client.HTTPException):
                time.sleep(5 * self.scale)
        return self.request("PUT", url, content, {"Content-Range": span})

    def download(self, number: int, directory: Path, *, tarball: bool = False) -> list[str]:
        """Download an artifact as the client does: one file, many files, or an archive through tar."""
        artifact = self.artifact(number, slash="")
        files = artifact.get("files", {})
        sizes = [file["size"] for file in files.values()]
        if tarball:
            self._save(artifact["download_tar_gz_url"], directory / f"artifact-{number}.tar.gz")
            return [f"artifact-{number}.tar.gz"]
        if len(files) == 1 or any(size > LARGE_FILE for size in sizes) or sum(sizes) >= LARGE_ARTIFACT:
            for path, file in files.items():
                self._save(file["url"], directory / path)
            return list(files)
        return self._unpack(artifact["download_tar_gz_url"], directory)

    def fetch(self, number: int, path: str, local: Path) -> None:
        """Download one file."""
        self._save(self.artifact(number, slash="")["files"][path]["url"], local)

    def _save(self, url: str, local: Path) -> None:
        answer = self.request("GET", url)
        if answer.status >= 400:
            raise Unexpected(f"GET {url}: {answer.status}")
        local.parent.mkdir(parents=True, exist_ok=True)
        with local.open("xb") as file:  # it must not be there already
            file.write(answer.body)

    def _unpack(self, url: str, directory: Path) -> list[str]:
        answer = self.request("GET", url)
        if answer.status >= 400 or "Content-Encoding" in answer.headers:
            raise Unexpected(f"GET {url}: {answer.status} {answer.headers}")
        done = subprocess.run(["tar", "-xzv"], input=answer.body, cwd=directory, capture_output=True, check=True)
        return done.stdout.decode().splitlines()


def describe(path: Path) -> Json:
    """A file as it is declared."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {
        "size": path.stat().st_size,
        "checksums": {"sha256": digest.hexdigest()},
        "type": "file",
        "content_type": _content_type(path),
    }


def _content_type(path: Path) -> str:
    if path.suffix in {".buildinfo", ".dsc", ".changes"}:
        return "text/plain; charset=utf-8"
    return "text/markdown; charset=utf-8" if path.suffix == ".md" else "application/octet-stream; charset=binary"


def _received(answer: Answer) -> int:
    match = _RANGE.fullmatch(answer.headers.get("Range", ""))
    if match is None:
        raise RuntimeError(f"no valid Range in {answer.headers}")
    return int(match["end"])
