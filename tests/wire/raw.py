"""HTTP by hand: a request as bytes, and an answer exactly as it came."""

import json
import socket
from collections.abc import Mapping
from typing import Any, BinaryIO

from attrs import frozen

#: Seconds; a busy machine is no failure.
PATIENCE = 60.0
PROBLEM = "application/problem+json"


@frozen
class Raw:
    """An answer: its status, its headers as they were written and in their order, its body."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for written, value in self.headers if written.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The only value of a header."""
        (value,) = self.all(name)
        return value

    def json(self, status: int = 200) -> Any:
        """The body of an answer with this status, which says that it is JSON and nothing more."""
        assert self.status == status, self
        assert self.header("Content-Type") == "application/json"
        return json.loads(self.body)

    def problem(self, status: int) -> dict[str, Any]:
        """The problem of an answer with this status, by exactly the header that clients compare."""
        assert self.status == status, self
        assert self.header("Content-Type") == PROBLEM
        problem: dict[str, Any] = json.loads(self.body)
        assert isinstance(problem["title"], str)
        assert problem["title"]
        assert problem.keys() <= {"title", "detail", "validation_errors"}
        return problem

    def empty(self, status: int) -> bool:
        """True: an answer with this status and no body; its header says so where HTTP wants it said."""
        assert self.status == status, self
        assert self.body == b""
        assert self.all("Transfer-Encoding") == []
        return self.all("Content-Length") == ([] if status in {204, 304} else ["0"])


def exchange(
    address: tuple[str, int],
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Raw:
    """Send exactly these headers, beside Host and the body's length, and read the answer on a connection of its own."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(request_bytes(address, method, target, headers or {}, body) + (body or b""))
        return read_answer(connection, method)


def request_bytes(
    address: tuple[str, int], method: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """The head of a request."""
    lines = [f"{method} {target} HTTP/1.1"]
    if "Host" not in headers:
        lines.append(f"Host: {address[0]}:{address[1]}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_answer(connection: socket.socket, method: str = "GET") -> Raw:
    """Read one answer, and nothing after it."""
    with connection.makefile("rb") as stream:
        version, status, reason = _line(stream).split(" ", 2)
        assert version == "HTTP/1.1"
        headers = tuple(_headers(stream))
        found = Raw(int(status), reason, headers, b"")
        return Raw(found.status, reason, headers, _body(stream, found, method))


def _line(stream: BinaryIO) -> str:
    line = stream.readline()
    assert line.endswith(b"\r\n"), line
    return line[:-2].decode("latin-1")


def _headers(stream: BinaryIO) -> list[tuple[str, str]]:
    headers = []
    while line := _line(stream):
        name, colon, value = line.partition(":")
        assert colon, line
        headers.append((name, value.strip()))
    return headers


def _body(stream: BinaryIO, answer: Raw, method: str) -> bytes:
    if method == "HEAD" or answer.status in {101, 204, 304}:
        return b""
    if answer.all("Transfer-Encoding") == ["chunked"]:
        assert answer.all("Content-Length") == []
        return b"".join(_chunks(stream))
    length = int(answer.header("Content-Length"))
    body = stream.read(length)
    assert len(body) == length
    return body


def _chunks(stream: BinaryIO) -> list[bytes]:
    chunks = []
    while length := int(_line(stream).partition(";")[0], 16):
        chunks.append(stream.read(length))
        assert _line(stream) == ""
    assert _line(stream) == ""
    return chunks
