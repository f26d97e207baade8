"""A key that people put into the strangest places appears in no log, database, answer, metric or list of processes."""

import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import frozen

from debusine.domain.secrets import key_hash, new_key
from debusine.server.route import path_of
from debusine.server.routes import ROUTES
from tests.cli.processes import PATIENCE, Server, run, running_server

#: What the server can take for a key beside its own: one that a foreign worker has made up.
#: What is random comes first: whoever looks for a part of it on the whole machine finds nobody else's.
FOREIGN_KEY = f"{secrets.token_hex(8)}OnceUponATime"


@frozen
class Spilled:
    """A server to which keys were sent in every way, and all that it has said."""

    keys: list[str]
    answers: list[bytes]
    metrics: str
    processes: str
    log: str
    database: bytes


@pytest.fixture(scope="module")
def spilled(tmp_path_factory: pytest.TempPathFactory) -> Spilled:
    data_dir = tmp_path_factory.mktemp("secrets") / "data"
    with running_server(data_dir) as server:
        known = _known_key(data_dir)
        keys = [known, new_key(), FOREIGN_KEY]
        register(server, FOREIGN_KEY)
        answers = [talk(server, head, body) for key in keys for head, body in requests(server, key)]
        said = [run("debusine-admin", "--data-dir", str(data_dir), "token", "disable", key) for key in keys]
        listed = run("debusine-admin", "--data-dir", str(data_dir), "--json", "token", "list")
        metrics = talk(server, "GET /metrics HTTP/1.1\r\nHost: x\r\n", b"")
        processes = _processes(server.process.pid)
        server.stop()
        log = server.log.text() + listed.stdout + "".join(done.stdout + done.stderr for done in said)
    return Spilled(keys, answers, metrics.decode(), processes, log, _files(data_dir))


def _known_key(data_dir: Path) -> str:
    assert run("debusine-admin", "--data-dir", str(data_dir), "user", "create", "alice").returncode == 0
    return run("debusine-admin", "--data-dir", str(data_dir), "token", "create", "alice").stdout.strip()


def register(server: Server, key: str) -> None:
    body = f'{{"token": "{key}", "fqdn": "w1.example.org"}}'.encode()
    head = "POST /api/1.0/worker/register/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    assert b" 201 " in talk(server, head, body)


def requests(server: Server, key: str) -> Iterator[tuple[str, bytes]]:
    """Every route, with the key in its header and, one after the other, in every other place."""
    for route in ROUTES:
        for place, path in enumerate(_paths(path_of(route), key)):
            credentials = ["Token", "Authorization: Bearer", "token"][place % 3].partition(":")
            name = f"{credentials[0]}:{credentials[2]} {key}"
            for more, body in _bodies(key) if place == 0 else [("", b"")]:
                yield f"{route.method} {path} HTTP/1.1\r\nHost: x\r\n{name}\r\n{more}", body
    for method in (key[:20], "TRACE", "GET"):
        yield f"{method} /{key} HTTP/1.1\r\nHost: x\r\nToken: {key}\r\n", b""
    yield f"GET / HTTP/1.1\r\nHost: {key}.example\r\nToken: {key}\r\n", b""
    yield f"GET /{key} HTTP/9.9\r\n{key}\r\n", b""
    yield f"{key}\r\n", b""


def _paths(path: str, key: str) -> Iterator[str]:
    numbered = path.replace("{id}", "1").replace("{scope}", "debusine").replace("{workspace}", "System")
    usual = numbered.replace("{path}", "a")
    yield usual
    yield f"{usual}?cursor={key}&page_size={key}&artifact={key}&archive={key}&token={key}"
    yield f"{usual.rstrip('/')}/{key}"
    for name in re.findall(r"\{(\w+)\}", path):
        value = "1" if name == "id" else "x"
        yield re.sub(r"\{\w+\}", value, path.replace(f"{{{name}}}", key))
        yield re.sub(r"\{\w+\}", value, path.replace(f"{{{name}}}", f"%2F{key}%0a"))


def _bodies(key: str) -> Iterator[tuple[str, bytes]]:
    """Bodies that are refused, and headers: what is accepted is kept, and belongs to who sent it."""
    quoted = f'"{key}"'
    json = "Content-Type: application/json\r\n"
    yield json, f"{{{quoted}".encode()
    yield json, f"{{{quoted}: {quoted}, {quoted}: 1}}".encode()
    yield json, f'{{"token": {{}}, "fqdn": {quoted}, {quoted}: {quoted}}}'.encode()
    yield json, f'{{"task_name": {quoted}, "category": {quoted}, "data": {quoted}, "type": {quoted}}}'.encode()
    yield json, f'{{"result": {quoted}, "artifact": {quoted}, "priority_adjustment": {quoted}}}'.encode()
    yield json + f"Content-Encoding: {key}\r\n", b"{}"
    yield f"Content-Type: {key}\r\n", b"{}"
    yield f"Content-Range: bytes {key}\r\n", b"x"
    names = ("X-Debusine-Attempt", "X-Debusine-Running", "X-Debusine-Scope", "X-Request-ID", "X-Forwarded-For")
    for name in (*names, "Range", "If-Range", "If-None-Match", "Origin", "Cookie", "Expect", "Sec-WebSocket-Protocol"):
        yield f"{name}: {key}\r\n", b""
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    yield f"{upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"\x81\xfe" + key.encode()
    yield f"{upgrade}Sec-WebSocket-Key: {key}\r\n", b""


def talk(server: Server, head: str, body: bytes) -> bytes:
    """Everything that the server says to this, until it has nothing more to say."""
    sent = f"{head}Content-Length: {len(body)}\r\n"
    if "Upgrade" not in head:
        sent += "Connection: close\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(sent.encode() + b"\r\n" + body)
        heard = bytearray(connection.recv(65536))
        if "Upgrade" in head:
            connection.shutdown(socket.SHUT_WR)  # else a websocket would stay open
        try:
            while more := connection.recv(65536):
                heard += more
        except ConnectionError:
            pass
    return bytes(heard)


def _processes(server: int) -> str:
    """What ``ps`` shows of every process of the machine, and what the server was given as its environment."""
    lines = [_command_line(process) for process in Path("/proc").glob("[0-9]*")]
    return b"\n".join([*lines, Path(f"/proc/{server}/environ").read_bytes()]).decode(errors="replace")


def _command_line(process: Path) -> bytes:
    """What a process was started with; nothing if it has ended meanwhile, as those of other tests do."""
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _files(data_dir: Path) -> bytes:
    """Every byte below the data directory."""
    return b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())


def found(spilled: Spilled, text: str) -> list[str]:
    """Which keys are in a text, whole or as two thirds of one, in whatever case."""
    return [key for key in spilled.keys if key.lower()[: max(8, len(key) * 2 // 3)] in text.lower()]


def test_the_log_has_lines_and_no_key(spilled: Spilled) -> None:
    assert spilled.log.count("debusine.access") > 200
    assert found(spilled, spilled.log) == []


def test_the_log_has_no_traceback(spilled: Spilled) -> None:
    assert spilled.log.partition("Traceback")[2][:3000] == ""


def test_the_database_has_the_hashes_alone(spilled: Spilled) -> None:
    assert key_hash(spilled.keys[0]).encode() in spilled.database
    assert key_hash(FOREIGN_KEY).encode() in spilled.database
    assert found(spilled, spilled.database.decode("latin-1")) == []


def test_metrics_show_no_key(spilled: Spilled) -> None:
    assert "debusine_http_requests_total" in spilled.metrics
    assert found(spilled, spilled.metrics) == []


def test_no_refusal_repeats_a_key(spilled: Spilled) -> None:
    refusals = [answer for answer in spilled.answers if answer[9:10] in b"45"]
    assert len(refusals) > 500
    assert [answer for answer in refusals if found(spilled, answer.decode("latin-1"))] == []


def test_the_list_of_processes_shows_no_key(spilled: Spilled) -> None:
    assert "debusine-server" in spilled.processes
    assert found(spilled, spilled.processes) == []


def test_keys_that_are_found_are_found() -> None:
    """The search itself works."""
    spilled = Spilled([FOREIGN_KEY], [], "", "", "", b"")
    assert found(spilled, f"x{FOREIGN_KEY.upper()}") == [FOREIGN_KEY]
