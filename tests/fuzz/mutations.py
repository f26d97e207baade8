"""Mutations: how a good request becomes one that nobody should send. All of it depends on the random source alone."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from attrs import evolve

from tests.fuzz.requests import HEADERS, METHODS, SEGMENTS, VALUES, VERSIONS, WHOLE_TARGETS, Request


def mutated(request: Request, random: Random, keys: dict[str, str]) -> Request:
    """The request with some things wrong, or none."""
    if random.random() < 0.25:
        request = _with_key(request, random.choice([*keys.values(), "", "x", "\xff"]))
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        request = random.choice(MUTATIONS)(request, random)
    return request


def written(request: Request, random: Random) -> bytes:
    """The bytes of a request, framed rightly unless its headers say otherwise."""
    names = {name.lower() for name, _ in request.headers}
    headers, body = request.headers, request.body
    if request.chunked:
        headers = (*headers, (b"Transfer-Encoding", b"chunked"))
        body = _in_chunks(body, random)
    elif b"content-length" not in names and (body or random.random() < 0.5):
        headers = (*headers, (b"Content-Length", b"%d" % len(body)))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"%s %s %s\r\n%s\r\n%s" % (request.method, request.target, request.version, lines, body)


def mangled(raw: bytes, random: Random) -> bytes:
    """Bytes with a few of them wrong."""
    for _ in range(random.choice((0, 0, 0, 0, 0, 1, 1, 3))):
        raw = random.choice(DAMAGES)(raw, random)
    return raw


def _with_key(request: Request, key: str) -> Request:
    others = tuple(header for header in request.headers if header[0] != b"Token")
    return evolve(request, headers=(*others, (b"Token", key.encode("latin-1"))) if key else others)


def _method(request: Request, random: Random) -> Request:
    return evolve(request, method=random.choice(METHODS))


def _version(request: Request, random: Random) -> Request:
    return evolve(request, version=random.choice(VERSIONS))


def _target(request: Request, random: Random) -> Request:
    if random.random() < 0.15:
        return evolve(request, target=random.choice(WHOLE_TARGETS))
    at = random.randrange(len(request.target) + 1)
    piece = random.choice(SEGMENTS)
    keep = at + random.choice((0, 0, random.randrange(8)))
    return evolve(request, target=request.target[:at] + piece + request.target[keep:])


def _query(request: Request, random: Random) -> Request:
    names = (b"cursor", b"page_size", b"artifact", b"target_artifact", b"archive", b"workspaces", b"a")
    values = (
        b"",
        b"1",
        b"0",
        b"-1",
        b"x",
        b"tar.gz",
        b"9" * 30,
        b"%00",
        b"%ff",
        b"djE6MTpuZXh0",
        b"djE6OTk5OnByZXY",
        b"x" * 5000,
    )
    pairs = [random.choice(names) + b"=" + random.choice(values) for _ in range(random.randrange(1, 4))]
    return evolve(request, target=request.target.partition(b"?")[0] + b"?" + b"&".join(pairs))


def _header(request: Request, random: Random) -> Request:
    name, values = random.choice(HEADERS)
    others = tuple(header for header in request.headers if header[0] != name or random.random() < 0.3)
    return evolve(request, headers=(*others, (name, random.choice(values))))


def _drop_header(request: Request, random: Random) -> Request:
    kept = list(request.headers)
    if kept:
        kept.pop(random.randrange(len(kept)))
    return evolve(request, headers=tuple(kept))


def _repeat_header(request: Request, random: Random) -> Request:
    if not request.headers:
        return request
    return evolve(request, headers=(*request.headers, random.choice(request.headers)))


def _many_headers(request: Request, random: Random) -> Request:
    number, size = random.choice(((70, 1), (500, 10), (3, 9000), (10_000, 1)))
    return evolve(request, headers=(*request.headers, *((b"X-%d" % index, b"v" * size) for index in range(number))))


def _chunked(request: Request, _random: Random) -> Request:
    return evolve(request, chunked=True)


def _json(request: Request, random: Random) -> Request:
    """Something else in place of a part of the body; with it in place, what is not JSON stays as it is."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return evolve(request, body=request.body + random.choice((b"", b"x", b"}", b"\0")))
    marks: dict[str, bytes] = {}
    changed = json.dumps(_changed(value, random, marks)).encode()
    for mark, raw in marks.items():
        changed = changed.replace(f'"{mark}"'.encode(), raw)
    return evolve(request, body=changed)


def _changed(value: Any, random: Random, marks: dict[str, bytes]) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        if random.random() < 0.1:
            return {**value, random.choice(("bogus", "", "a" * 70_000, "é", "\u202e", "..")): value[key]}
        return {**value, key: _changed(value[key], random, marks)}
    if isinstance(value, list) and value and random.random() < 0.5:
        return [_changed(value[0], random, marks), *value[1:]]
    return _other(random, marks)


def _other(random: Random, marks: dict[str, bytes]) -> Any:
    if random.random() < 0.05:
        return _nested(random.choice((31, 33, 500, 5000)))
    chosen = random.choice(VALUES)
    if not isinstance(chosen, bytes):
        return chosen
    mark = f"mark{len(marks)}"
    marks[mark] = chosen
    return mark


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(min(depth, 300)):  # the encoder has a limit of its own
        value = [value]
    return value


def _body(request: Request, random: Random) -> Request:
    bodies = (
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 4000,
        b"null",
        b"[]",
        b'"x"',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{}" * 2,
        b" " * 2_000_000,
    )
    return evolve(request, body=random.choice(bodies))


def _in_chunks(body: bytes, random: Random) -> bytes:
    size = random.choice((1, 7, 100, 70_000))
    parts = [body[start : start + size] for start in range(0, len(body), size)][:2000]
    extension = random.choice((b"", b"", b"", b";x=y", b";" + b"x" * 5000))
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
    last = random.choice(
        (b"0\r\n\r\n",) * 6
        + (b"0\r\nToken: x\r\n\r\n", b"0\r\n", b"", b"-1\r\n\r\n", b"fffffffffffffffff\r\n", b"0\n\n")
    )
    return chunks + last


def _flip(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw))
    return raw[:at] + bytes((random.randrange(256),)) + raw[at + 1 :]


def _cut(raw: bytes, random: Random) -> bytes:
    return raw[: random.randrange(1, len(raw) + 1)]


def _insert(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw))
    piece = random.choice(
        (
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b" ",
            b":",
            b"\r\n\r\n",
            b"\r\n\t",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\xff" * 20,
        )
    )
    return raw[:at] + piece + raw[at:]


def _double(raw: bytes, _random: Random) -> bytes:
    return raw * 3 if len(raw) < 100_000 else raw


def _follow(raw: bytes, random: Random) -> bytes:
    return raw + random.choice(
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 50, b"x" * 10_000)
    )


MUTATIONS: tuple[Callable[[Request, Random], Request], ...] = (
    _method, _version, _target, _target, _target, _query, _header, _header, _header, _header, _drop_header, _repeat_header,
    _many_headers, _chunked, _json, _json, _json, _json, _json, _body,
)  # fmt: skip
DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _flip, _cut, _insert, _insert, _double, _follow)
