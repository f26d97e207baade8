"""A real server process, and its operator."""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from attrs import define

from scripts.demo.programs import BIN
from tests.e2e.farm import Program, eventually
from tests.places import place
from tests.postgresql import PostgreSQLServer
from tests.wire.raw import PATIENCE

#: What is repeated by the clock is repeated soon; and many a test comes with a key that opens nothing.
CONFIGURATION = "[limits]\nsweep = 0.2\nbad_credentials = 100000\n"


@define
class Server:
    """One server, which may be stopped and started again at the same address."""

    directory: Path
    configuration: str
    program: Program | None = None
    listen: str = "127.0.0.1:0"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host, int(port)

    @property
    def url(self) -> str:
        """Where it is found, without a slash at the end."""
        return f"http://{self.listen}"

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.directory / "data"

    def start(self) -> None:
        """Run the server; it answers once this returns."""
        self.data.mkdir(exist_ok=True)
        (self.data / "debusine.toml").write_text(self.configuration)
        command = [str(BIN / "debusine-server"), "--data-dir", str(self.data), "--listen", self.listen]
        log = self.directory / f"server-{secrets.token_hex(4)}.log"
        self.program = program = Program.start(command, log, dict(os.environ))
        self.listen = eventually("the server is ready", lambda: _address(program), PATIENCE)

    def kill(self) -> None:
        """End it at once."""
        assert self.program is not None
        self.program.kill()

    def operate(self, command: str, **arguments: Any) -> Any:
        """Have the operator do something, by the socket in the data directory."""
        connection = _Unix(self.data / "admin.sock")
        try:
            body = json.dumps({"command": command, "arguments": arguments})
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            return json.loads(said)
        finally:
            connection.close()

    def user_key(self, **values: Any) -> str:
        """The key of a new user."""
        name = f"user-{secrets.token_hex(4)}"
        self.operate("user create", name=name, **values)
        return str(self.operate("token create", user=name)["key"])

    def worker_key(self, fqdn: str | None = None) -> str:
        """The key of a new, enabled worker."""
        return str(self.operate("worker create", fqdn=fqdn or f"{new_name()}.example.org")["key"])


def new_name() -> str:
    """A name that no worker and no workspace has."""
    return f"n{secrets.token_hex(4)}"


@contextmanager
def running_server(database: str | None = None, configuration: str = CONFIGURATION) -> Iterator[Server]:
    """A server on SQLite or on a database with empty tables; all its files are gone when the block ends."""
    # Not pytest's directory: the operator's socket needs a short name.
    with place("wire") as directory:
        line = "" if database is None else f"database = {json.dumps(database)}\n"
        server = Server(directory, line + configuration)
        try:
            server.start()
            yield server
        finally:
            if server.program is not None and server.program.process.poll() is None:
                server.kill()


@contextmanager
def running_on_postgresql(
    databases: PostgreSQLServer, template: str, configuration: str = CONFIGURATION
) -> Iterator[Server]:
    """A server on a new copy of the template, which is gone when the block ends."""
    url = databases.create_database(template=template)
    with running_server(url, configuration) as server:
        yield server
    databases.discard_database(url)


class _Unix(HTTPConnection):
    """HTTP to a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self.path))


def _address(program: Program) -> str | None:
    assert program.process.poll() is None, program.said()
    ready = [line for line in program.said().splitlines() if "is ready on http://" in line]
    return ready[0].rpartition("http://")[2].strip().strip("/") if ready else None
