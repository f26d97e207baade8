"""A stranger's file store: the package of the how-to page keeps the files of a real server."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.farm import Program, eventually
from tests.how_to import PAGE, Environment, write_package

pytestmark = pytest.mark.e2e

CONTENT = bytes(range(256)) * 4000


class Shelf:
    """A server that keeps its files on the page's shelf, and who uses it."""

    def __init__(self, environment: Environment, directory: Path) -> None:
        self.environment = environment
        self.directory = directory
        self.shelf = directory / "srv-shelf"
        self.configuration = directory / "debusine.toml"
        page = (directory / "package/debusine.toml").read_text()
        self.key = directory / "shelf.key"
        self.key.write_text("of this shelf\n")
        page = page.replace("/etc/debusine/shelf.key", str(self.key))
        self.configuration.write_text(page.replace("/srv/shelf", str(self.shelf)))
        self.options = ["--config", str(self.configuration), "--data-dir", str(directory / "data")]

    def start_server(self) -> Program:
        command = self.environment.program("debusine-server", *self.options, "--listen", "127.0.0.1:0")
        return Program.start(command, self.directory / "server.log", self.environment.variables)

    def admin(self, *arguments: str) -> str:
        return self.output_of("debusine-admin", *self.options, *arguments)

    def client(self, *arguments: str) -> str:
        command, *rest = arguments
        return self.output_of("debusine", command, "--config-file", str(self.directory / "client.ini"), "--json", *rest)

    def prepare_client(self, address: str) -> None:
        self.admin("user", "create", "alice")
        token = self.admin("token", "create", "alice").strip()
        (self.directory / "client.ini").write_text(
            "[General]\ndefault-server = shelf\n\n"
            f"[server:shelf]\napi-url = {address}/api\nscope = debusine\ntoken = {token}\n"
        )

    def output_of(self, program: str, *arguments: str) -> str:
        done = self.environment.run(self.environment.program(program, *arguments))
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Shelf]:
    """A server that runs with the page's package and configuration."""
    (tmp_path / "package").mkdir()
    (tmp_path / "data").mkdir()
    environment = Environment.make(tmp_path / "environment")
    environment.install(write_package(PAGE, tmp_path / "package"))
    farm = Shelf(environment, tmp_path)
    server = farm.start_server()
    try:
        farm.prepare_client(eventually("the server is ready", lambda: address_of(server)))
        yield farm
    finally:
        server.stop()


def address_of(server: Program) -> str | None:
    assert server.process.poll() is None, server.said()
    ready = [line for line in server.said().splitlines() if "is ready on http://" in line]
    return ready[0].rpartition(" ")[2].rstrip("/") if ready else None


def test_files_go_up_into_the_store_and_come_down_again(farm: Shelf, tmp_path: Path) -> None:
    source, target = tmp_path / "source.bin", tmp_path / "target"
    source.write_bytes(CONTENT)

    made = json.loads(farm.client("create-artifact", "debusine:test", "--upload", str(source)))
    farm.client("download-artifact", str(made["artifact_id"]), "--target-directory", str(target))

    assert (target / "source.bin").read_bytes() == CONTENT
    label = hmac.digest(b"of this shelf", hashlib.sha256(CONTENT).digest(), "sha256").hex()
    assert [path.name.partition("-")[0] for path in farm.shelf.iterdir()] == [label]


def test_the_operator_sees_the_plugin(farm: Shelf) -> None:
    assert "debusine-filestore-shelf:shelf" in farm.admin("plugins")
