"""Requests to begin with, one for every line of the URL table, and what nobody should send instead."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve, frozen

from debusine.server.routes import ROUTES
from tests.fuzz.target import PART, Target
from tests.server.filing import described


@frozen
class Request:
    """A request before it becomes bytes."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    #: Whether the body goes out in chunks, instead of with its length.
    chunked: bool = False

    def with_header(self, name: str, value: str | bytes) -> "Request":
        """The same with one header more."""
        plain = value.encode() if isinstance(value, str) else value
        return evolve(self, headers=(*self.headers, (name.encode(), plain)))


#: Bodies by the end of a route's path; what is not here gets an empty object.
BODIES: dict[str, Any] = {
    "artifact/": {
        "category": "debusine:test",
        "data": {},
        "files": {"a/b.txt": described(b"x"), "empty": described(b"")},
        "expire_at": "2030-01-01T00:00:00+02:00",
        "work_request": None,
    },
    "artifact-relation/": {"artifact": 1, "target": 2, "type": "relates-to"},
    "work-request/": {"task_name": "noop", "task_data": {}, "event_reactions": {}, "timeout": 60},
    "worker/register/": {"token": "a" * 64, "fqdn": "host.example.org", "worker_type": "external"},
    "worker/dynamic-metadata/": {"system:architectures": ["amd64"], "noop:version": 1, "system:cpu_count": 2},
    "completed/": {
        "result": "success",
        "output_data": {"runtime_statistics": {"duration": 1}, "errors": [{"message": "m", "code": "c"}]},
    },
    "{id:[0-9]+}/": {"priority_adjustment": -5},
}


def corpus(target: Target) -> list[Request]:
    """Good requests for every route."""
    return [request for route in ROUTES if not route.socket for request in _of_route(route.method, route.path, target)]


def socket_paths(target: Target) -> list[bytes]:
    """Where websockets are opened."""
    return [_filled(route.path, target, whole=True).encode() for route in ROUTES if route.socket]


def _of_route(method: str, path: str, target: Target) -> Iterator[Request]:
    kind = "worker" if "worker" in path or "completed" in path else "user"
    base = Request(method.encode(), b"").with_header("Host", "farm.example").with_header("Token", target.keys[kind])
    for whole in (True, False):
        request = evolve(base, target=_filled(path, target, whole=whole).encode())
        if "/files/" in path:
            yield from _uploads(request)
        elif "download" in path:
            yield request.with_header("Range", "bytes=5-99")
            yield evolve(request, target=request.target.rpartition(b"/dir")[0] + b"/?archive=tar.gz")
        elif method in {"POST", "PUT", "PATCH"}:
            yield evolve(request, body=json.dumps(_body(path)).encode()).with_header("Content-Type", "application/json")
        else:
            yield request
            yield evolve(request, target=request.target + b"?page_size=3&cursor=djE6MzpuZXh0&artifact=1")


def _uploads(request: Request) -> Iterator[Request]:
    size = len(PART)
    yield request.with_header("Content-Range", f"bytes */{size}")
    yield evolve(request, body=PART[500:2000]).with_header("Content-Range", f"bytes 500-1999/{size}")
    yield evolve(request, body=PART)


def _body(path: str) -> Any:
    return next((body for end, body in BODIES.items() if path.endswith(f"/{end}")), {})


def _filled(path: str, target: Target, *, whole: bool) -> str:
    artifact = target.artifact if whole else target.unfinished
    values = {
        "scope": "debusine",
        "workspace": "System",
        "path": "dir/file.txt",
        "id": str((target.running if whole else target.work_request) if "work-request" in path else artifact),
    }
    return re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^}]*\})*)?\}", lambda match: values.get(match[1], "1"), path)


METHODS: Sequence[bytes] = (
    b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"get", b"BREW",
    b"M" * 300, b"G\x00T", b"", b"GET /x", b"\xff",
)  # fmt: skip

VERSIONS: Sequence[bytes] = (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"", b"http/1.1", b"HTTP/1.1 ")

#: Pieces that are put into targets.
SEGMENTS: Sequence[bytes] = (
    b"/..", b"/.", b"//", b"/%2f", b"/%2e%2e/", b"%00", b"%0d%0a", b"%0a", b"%c0%af", b"%ff", b"%ed%a0%80", b"%e2%80%ae",
    b"%", b"%zz", b"\xff\xfe", b"\xc3\xa9", b"?", b"#frag", b"?a=b&a=c", b"?cursor=!!!!", b"?cursor=djE6MTpuZXh0",
    b"?page_size=501", b"?page_size=-1", b"?page_size=9999999999999999", b"?archive=zip", b"?artifact=9999999999999999999",
    b"?artifact=%D9%A1", b"?workspaces=a,b&completed_at_since=x", b"/" + b"a" * 600, b"/" + b"a/" * 300, b"?" + b"q" * 9000,
    b"/99999999999999999999", b"/-1", b"/0", b";a=b", b"\\..\\", b"*", b"@evil:80", b"%252e", b"\t", b"/..;/",
)  # fmt: skip

WHOLE_TARGETS: Sequence[bytes] = (
    b"*", b"", b"http://evil.example/api/1.0/limits/", b"//evil.example/", b"http://[::1", b"http://a:b:c/", b"/", b"?", b"%",
    b"farm.example:80", b"http://farm.example:99999/", b"/\xf0\x9f\x92\xa9", b"ftp://x/", b"/api/1.0/artifact/1%2f",
)  # fmt: skip

#: Headers that do something somewhere, with values that they should not have.
HEADERS: Sequence[tuple[bytes, Sequence[bytes]]] = (
    (b"Host", (b"", b"a\"b", b"a b", b"[::1", b"x:99999999", b"\xff", b"evil.example", b"a" * 3000, b"a/../b", b"a,b")),
    (b"Content-Length", (b"-1", b"+5", b"0x10", b"1e3", b"99999999999999999999", b"5, 5", b" 5 ", b"", b"1_0", b"70000000")),
    (b"Transfer-Encoding", (b"chunked", b"chunked, chunked", b"identity", b"xchunked", b"gzip, chunked", b"\x0bchunked", b"cow")),
    (b"Content-Type", (b"", b"text/plain", b"application/json; charset=utf-16", b"application/json;;", b"\xff", b"a/b/c",
                       b"multipart/form-data", b"application/json, text/html", b"application/JSON")),
    (b"Content-Encoding", (b"gzip", b"br", b"deflate", b"identity", b"", b"\xff", b"gzip, gzip")),
    (b"Expect", (b"100-continue", b"200-ok", b"")),
    (b"Connection", (b"close", b"keep-alive", b"upgrade", b"Token", b"close, keep-alive", b"\xff")),
    (b"Upgrade", (b"websocket", b"h2c", b"tls/1.3")),
    (b"Range", (b"bytes=0-", b"bytes=-0", b"bytes=-5", b"bytes=9-1", b"bytes=0-0,2-3", b"bytes=99999999999999999999-", b"lines=1-2",
                b"bytes=\xd9\xa1-", b"bytes=--1", b"bytes=" + b"0-1," * 900, b"")),
    (b"Content-Range", (b"bytes 0-0/1", b"bytes */*", b"bytes */0", b"bytes 5-1/9", b"bytes 0-999999999999999999/*", b"bytes=0-1/2",
                        b"bytes 0-9/5", b"bytes", b"\xff", b"bytes 1000-1099/*", b"bytes 99999-100000/*")),
    (b"If-None-Match", (b"*", b'"x"', b"W/\"x\"", b"x" * 2000, b'"', b"\xff")),
    (b"If-Range", (b'"x"', b"Sun, 06 Nov 1994 08:49:37 GMT", b"99", b"\xff")),
    (b"If-Modified-Since", (b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 999999 08:49:37 GMT", b"x", b"\xff")),
    (b"X-Debusine-Attempt", (b"1", b"0", b"-1", b"2147483648", b"99999999999999999999", b"x", b"", b"\xd9\xa1")),
    (b"X-Debusine-Running", (b"", b"1/1", b"1/1,2/2", b"1", b"/", b"999999999999999999/999999999999999999", b"1/1," * 1500, b"\xff")),
    (b"X-Debusine-Scope", (b"debusine", b"other", b"", b"\xff", b"a" * 4000)),
    (b"X-Forwarded-For", (b"1.2.3.4", b"x", b"\xff")),
    (b"X-Forwarded-Host", (b"evil.example",)),
    (b"X-Forwarded-Proto", (b"javascript", b"https")),
    (b"X-Request-Id", (b"abc", b"a" * 5000, b"\xff", b"a\x0bb", b"")),
    (b"traceparent", (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"x")),
    (b"Origin", (b"null", b"http://evil.example", b"http://farm.example", b"\xff", b"", b"http://[")),
    (b"Authorization", (b"Bearer", b"Bearer x", b"Basic eDp5", b"\xff", b"Bearer " + b"x" * 5000)),
    (b"Cookie", (b"a=b", b"=", b"a=" + b"x" * 4000, b"\xff", b"a=\"b", b";;;")),
    (b"Accept", (b"text/html", b"*/*;q=x", b"", b"application/openmetrics-text")),
    (b"Accept-Encoding", (b"gzip", b"br;q=1", b"*")),
    (b"Sec-WebSocket-Key", (b"x", b"dGhlIHNhbXBsZSBub25jZQ==")),
    (b"X-HTTP-Method-Override", (b"DELETE",)),
    (b"Trailer", (b"Token",)),
    (b"TE", (b"trailers",)),
    (b" Space", (b"x",)),
    (b"No Colon At All", (b"",)),
    (b"\x00", (b"x",)),
    (b"", (b"x",)),
)  # fmt: skip

#: Values that are put into JSON; bytes stand there as they are.
VALUES: Sequence[Any] = (
    None, True, 0, -1, 1.5, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e308, b"1e999", b"NaN", b"-Infinity", b"-0", b"-0.0",
    b"1E400", b"0." + b"1" * 5000, b"1" * 5000, b"\"\\ud800\"", b"\"\\u0000\"", b"\"\xff\"", b"[", b"{", b"{\"a\":1,\"a\":2}",
    b"'x'", b"// c", b"[1,]", b"01", b"+1", b"\xef\xbb\xbf1", b"\x0b1", b"", "", "x" * 300, "x" * 70_000, "\u202e", "é", "e\u0301", "a/../b",
    "/etc/passwd", "..", "a\nb", "a\0b", "%s%n", "<script>alert(1)</script>", "' OR 1=1 --", "noop", "NOOP", "sbuild", "lintian",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2030-01-01", "P1D", "PT999999999S", "P999999999999Y", "System", "Public",
    [], {}, [[]], [1] * 20_000, ["x"] * 10_001, {str(n): n for n in range(1100)}, [{}] * 100, {"": ""}, {"a": {"b": {"c": []}}},
    [None], {"__class__": "x"}, "debusine:source-package", "debusine:binary-package", "2030-01-01T00:00:00Z", "x" * 256, "x" * 401,
)  # fmt: skip
