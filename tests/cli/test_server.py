"""``debusine-server``: it starts where it was, stops in order, and refuses to start with one clear line."""

import hashlib
import http.client
import json
import os
import pwd
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from debusine.cli.data_directory import NotWritable, locked
from tests.cli.processes import PATIENCE, SOON, Server, run, running_server
from tests.places import place
from tests.postgresql import PostgreSQLServer


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def ask(server: Server, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        text = json.dumps(body).encode() if body is not None else None
        connection.request(method, path, text, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def new_key(server: Server) -> str:
    directory = ("--data-dir", str(server.data_dir))
    run("debusine-admin", *directory, "user", "create", "alice")
    return run("debusine-admin", *directory, "token", "create", "alice").stdout.strip()


class TestLife:
    def test_it_serves_without_any_option_set_up(self, data_dir: Path) -> None:
        with running_server(data_dir) as server:
            status, body = ask(server, "GET", "/health")

        assert status == 200
        assert json.loads(body)["stores"] == {"Default": "ok"}
        assert data_dir.stat().st_mode & 0o077 == 0

    def test_it_stops_when_asked_and_begins_where_it_was(self, data_dir: Path) -> None:
        with running_server(data_dir) as server:
            key = new_key(server)
            made = json.loads(ask(server, "POST", "/api/1.0/work-request/", {"task_name": "noop"}, Token=key)[1])
            assert server.stop() < SOON
        with running_server(data_dir) as server:
            status, body = ask(server, "GET", f"/api/1.0/work-request/{made['id']}/", Token=key)

        assert (status, json.loads(body)) == (200, made | {"url": json.loads(body)["url"]})

    def test_what_was_acknowledged_survives_a_kill(self, data_dir: Path) -> None:
        with running_server(data_dir) as server:
            key = new_key(server)
            ids = [
                json.loads(ask(server, "POST", "/api/1.0/work-request/", {"task_name": "noop"}, Token=key)[1])["id"]
                for _ in range(5)
            ]
            server.process.kill()
            server.process.wait()
        with running_server(data_dir) as server:
            listed = json.loads(ask(server, "GET", "/api/1.0/work-request/?page_size=500", Token=key)[1])

        assert {found["id"] for found in listed["results"]} == set(ids)

    def test_open_sockets_and_uploads_do_not_hold_it_up(self, data_dir: Path) -> None:
        with running_server(data_dir) as server, opened(server.port, 3) as (idle, half_sent, listening):
            worker = run("debusine-admin", "--data-dir", str(data_dir), "worker", "create", "w.example.org").stdout
            send_half_an_upload(server, half_sent)
            listen_as_worker(listening, worker.strip())

            assert server.stop() < SOON
            assert idle.fileno() > 0

    def test_ctrl_c_stops_it_too(self, data_dir: Path) -> None:
        with running_server(data_dir) as server:
            server.end(signal.SIGINT)

            assert "Traceback" not in server.log.text()


@pytest.fixture
def refused(data_dir: Path) -> Iterator[Path]:
    """The data directory of a server that should not start; afterwards it is still not there."""
    yield data_dir
    assert not data_dir.exists()


def refusal(data_dir: Path, *options: str, **env: str) -> str:
    """The one line that a server says instead of starting."""
    done = run("debusine-server", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0", *options, env=env)
    lines = [line for line in done.stderr.splitlines() if " WARNING " not in line]
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 1), done
    assert lines[0].startswith("debusine-server: ")
    return lines[0]


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("listn = 1", "farm.toml: listn: there is no such setting; did you mean listen?"),
            ("listen =", "farm.toml: is not valid TOML: "),
            ('[scheduler]\npolicy = "lottery"', "farm.toml: scheduler.policy: there is no scheduler policy named"),
            ('[stores.Default]\nbackend = "tape"', "farm.toml: stores.Default.backend: there is no file store backend"),
            (
                '[stores.Default]\nbackend = "local"\noptions = { directory = "/x" }',
                "farm.toml: stores.Default.options.directory: there is no such setting; known: base_directory",
            ),
            ('database = "oracle://x"', 'database = "oracle:'),
            ('database = "postgresql://u:hunter2@127.0.0.1:1/x"', "127.0.0.1:1/x cannot be opened: "),
        ],
    )
    def test_the_configuration_is_wrong(self, refused: Path, tmp_path: Path, text: str, told: str) -> None:
        (tmp_path / "farm.toml").write_text(text)

        line = refusal(refused, "--config", str(tmp_path / "farm.toml"))

        assert told in line
        assert "hunter2" not in line

    def test_the_port_is_taken(self, refused: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"

            assert f"{address} cannot be used: another program listens there" in refusal(refused, "--listen", address)

    def test_the_address_is_not_ours(self, refused: Path) -> None:
        assert "192.0.2.1:80 cannot be used: " in refusal(refused, "--listen", "192.0.2.1:80")

    def test_the_data_directory_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        line = refusal(tmp_path / "file" / "data")

        assert "file/data cannot be written: Not a directory; choose one with --data-dir" in line

    def test_the_data_directory_cannot_be_written(self) -> None:
        with place("data") as directory:  # not pytest's: others can go into this one
            directory.chmod(0o555)

            with ordinary_user(), pytest.raises(NotWritable) as caught, locked(directory, "a test"):
                pass
            directory.chmod(0o700)

        told = f"The data directory {directory} cannot be written: Permission denied; choose one with --data-dir"
        assert str(caught.value) == told

    def test_another_server_has_the_data_directory(self, data_dir: Path) -> None:
        with running_server(data_dir) as server:
            line = refusal(data_dir)

            assert f"is in use by debusine-server (process {server.process.pid})" in line
            assert ask(server, "GET", "/health")[0] == 200

    def test_the_database_is_of_another_program(self, data_dir: Path) -> None:
        data_dir.mkdir()
        with sqlite3.connect(data_dir / "debusine.sqlite") as connection:
            connection.execute("CREATE TABLE guests (name TEXT)")
        connection.close()

        assert "debusine.sqlite holds something else (a table 'guests')" in refusal(data_dir)

    def test_a_plugin_cannot_be_imported(self, refused: Path, tmp_path: Path) -> None:
        install(tmp_path, "broken", "tape", "raise RuntimeError('no tape drive')")
        (tmp_path / "farm.toml").write_text('[stores.Default]\nbackend = "tape"')

        line = refusal(refused, "--config", str(tmp_path / "farm.toml"), PYTHONPATH=str(tmp_path))

        assert "broken:tape cannot be used: RuntimeError: no tape drive" in line

    def test_two_plugins_offer_one_name(self, refused: Path, tmp_path: Path) -> None:
        install(tmp_path, "impostor", "local", IMPOSTOR)

        line = refusal(refused, PYTHONPATH=str(tmp_path))

        assert "Two plugins offer a file store backend named 'local': " in line
        assert "impostor:local" in line
        assert "debusine-filestore-local:local" in line

    def test_a_postgresql_that_was_not_migrated_says_the_command(
        self, refused: Path, postgresql_server: PostgreSQLServer
    ) -> None:
        url = postgresql_server.create_database()

        line = refusal(refused, DEBUSINE_DATABASE=url)

        assert "is empty; stop every server and run: debusine-admin migrate" in line
        postgresql_server.discard_database(url)


REFUSED = """
import asyncio, time
from debusine.cli import server
from debusine.domain.errors import ConfigurationError

async def work():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
    raise ConfigurationError("the tape is torn")

server.LEAVING = 0.05
server.run(work())
"""


def test_a_refused_start_is_told_although_a_plugin_blocks_a_thread() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, timeout=PATIENCE)

    assert (done.returncode, done.stderr) == (2, "debusine-server: the tape is torn\n")


def test_a_server_runs_on_postgresql_once_it_is_migrated(data_dir: Path, postgresql_server: PostgreSQLServer) -> None:
    url = postgresql_server.create_database()
    env = {"DEBUSINE_DATABASE": url}

    assert run("debusine-admin", "--data-dir", str(data_dir), "migrate", env=env).returncode == 0
    with running_server(data_dir, env=env) as server:
        assert ask(server, "GET", "/health")[0] == 200
        assert server.stop() < SOON
    assert not (data_dir / "debusine.sqlite").exists()
    postgresql_server.discard_database(url)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be nobody when we are root, who may write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def opened(port: int, number: int) -> Iterator[list[socket.socket]]:
    """Some connections to a server."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(number)]


def send_half_an_upload(server: Server, connection: socket.socket) -> None:
    """Announce a file, and send a part of it."""
    key = new_key(server)
    checksums = {"sha256": hashlib.sha256(b"x" * 1000).hexdigest()}
    files = {"f": {"size": 1000, "checksums": checksums, "type": "file"}}
    body = {"category": "debusine:test", "data": {}, "files": files}
    made = json.loads(ask(server, "POST", "/api/1.0/artifact/", body, Token=key)[1])["id"]
    head = f"PUT /api/1.0/artifact/{made}/files/f/ HTTP/1.1\r\nHost: x\r\nToken: {key}\r\nContent-Length: 1000\r\n\r\n"
    connection.sendall(head.encode() + b"x" * 500)


def listen_as_worker(connection: socket.socket, key: str) -> None:
    """Open a worker's websocket, and see that it is accepted."""
    connection.sendall(
        (
            "GET /api/ws/1.0/worker/connect/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\ntoken: {key}\r\n\r\n"
        ).encode()
    )
    said = b""
    while b"connected" not in said:
        said += connection.recv(4096)
    assert b"101 Switching Protocols" in said


IMPOSTOR = """
from attrs import frozen
from debusine.plugin import FileStoreBackend, hookimpl

@frozen(kw_only=True)
class Options:
    pass

class Impostor(FileStoreBackend[Options]):
    name = "local"
    Options = Options
    async def store(self, file, source): ...
    def open(self, file, data, start=0, length=None): ...
    async def remove(self, file, data): ...
    async def stat(self, file, data): ...
    def entries(self): ...

@hookimpl
def debusine_file_stores():
    yield Impostor
"""


def install(site: Path, distribution: str, name: str, source: str) -> None:
    """Put a package with a plugin where Python finds it."""
    (site / f"debusine_{distribution}.py").write_text(source)
    facts = site / f"{distribution}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[debusine]\n{name} = debusine_{distribution}\n")
