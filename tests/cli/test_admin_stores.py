"""``debusine-admin stores``: the same while the server runs and while it does not."""

import hashlib
import http.client
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import frozen
from click.testing import CliRunner, Result

from debusine.cli.admin import main
from debusine.cli.stores import size_text
from tests.cli.processes import Server, running_server

CONTENT = b"0123456789" * 1000
TOML = """
[stores.Default]
backend = "local"
options = {{ base_directory = "{root}/one" }}
[stores.Two]
backend = "local"
max_size = 1000000000
options = {{ base_directory = "{root}/two" }}
"""


@frozen
class Farm:
    """A data directory with two stores, the first one with a file."""

    root: Path
    running: bool

    def admin(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(self.root / "data"), *arguments])

    def json(self, *arguments: str) -> object:
        done = self.admin("--json", *arguments)
        assert done.stdout, done.output
        return json.loads(done.stdout)

    def objects(self, store: str) -> list[Path]:
        return [path for path in (self.root / store).rglob("*-*") if path.is_file()]


def fill(root: Path) -> None:
    """Have a server take a file, and stop it."""
    (root / "data").mkdir()
    (root / "data/debusine.toml").write_text(TOML.format(root=root))
    with running_server(root / "data") as server:
        upload(server, root)


def upload(server: Server, root: Path) -> None:

    farm = Farm(root, running=True)
    assert farm.admin("user", "create", "alice").exit_code == 0
    token = farm.admin("token", "create", "alice").stdout.strip()
    checksums = {"sha256": hashlib.sha256(CONTENT).hexdigest()}
    files = {"a": {"size": len(CONTENT), "checksums": checksums, "type": "file"}}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = json.dumps({"category": "debusine:test", "data": {}, "files": files})
    connection.request("POST", "/api/1.0/artifact/", body, {"Token": token, "Content-Type": "application/json"})
    made = json.loads(connection.getresponse().read())
    connection.request("PUT", f"/api/1.0/artifact/{made['id']}/files/a/", CONTENT, {"Token": token})
    assert connection.getresponse().read() == b""
    connection.close()


@pytest.fixture(params=["stopped", "running"])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Farm]:
    fill(tmp_path)
    with ExitStack() as stack:
        if request.param == "running":
            stack.enter_context(running_server(tmp_path / "data"))
        yield Farm(tmp_path, request.param == "running")


def test_stores_are_listed_verified_and_emptied_into_each_other(farm: Farm) -> None:
    rows = farm.json("stores", "list")
    assert isinstance(rows, list)
    assert [(row["name"], row["health"], row["files"], row["size"]) for row in rows] == [
        ("Default", "ok", 1, len(CONTENT)),
        ("Two", "ok", 0, 0),
    ]
    assert "9.8 KiB" in farm.admin("stores", "list").stdout
    verified = farm.admin("stores", "verify")
    assert verified.exit_code == 0, verified.output
    assert "it comes back as it was" in verified.stdout

    moved = farm.admin("stores", "migrate", "Default", "Two")

    assert moved.exit_code == 0, moved.output
    assert moved.stdout.startswith("1 files (9.8 KiB) were moved from Default to Two; Default is empty")
    assert ("removes 1 objects" in moved.stdout) is farm.running  # nobody reads them where no server runs
    assert len(farm.objects("one")) == (1 if farm.running else 0)
    assert len(farm.objects("two")) == 1
    workspaces = farm.json("workspace", "list")
    assert workspaces == [{"name": "System", "public": False, "store": "Two", "other_stores": []}]


def test_what_the_disk_has_changed_is_found_and_told(farm: Farm) -> None:
    (path,) = farm.objects("one")
    path.chmod(0o600)
    path.write_bytes(b"X" + CONTENT[1:])

    scrubbed = farm.admin("stores", "scrub")

    assert scrubbed.exit_code == 1
    assert "stores quarantined" in scrubbed.stderr
    rows = farm.json("stores", "quarantined")
    assert isinstance(rows, list)
    assert [(row["store"], row["reason"], row["copies"]) for row in rows] == [("Default", "damaged", 0)]
    assert farm.admin("stores", "drop-quarantined", "999").exit_code == 1
    assert farm.admin("stores", "drop-quarantined").exit_code == 0
    assert farm.admin("stores", "quarantined").stderr == "Nothing is quarantined.\n"
    assert farm.objects("one") == []


def test_a_store_that_cannot_be_relied_on_is_named(farm: Farm) -> None:
    (path,) = farm.objects("one")
    path.unlink()

    verified = farm.admin("stores", "verify")

    assert verified.exit_code == 1
    assert "do not rely on Default" in verified.stderr
    assert "of the last 1, 1 are missing" in verified.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("migrate", "Default", "Three"), "There is no file store 'Three'; there are: Default, Two"),
        (("migrate", "Two", "Two"), "both stores are the same"),
        (("scrub", "Three"), "There is no file store 'Three'"),
    ],
)
def test_a_mistake_is_one_sentence(farm: Farm, arguments: tuple[str, ...], told: str) -> None:
    done = farm.admin("stores", *arguments)

    assert done.exit_code == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_workspace_gets_and_loses_stores(farm: Farm) -> None:
    added = farm.admin("workspace", "set", "System", "--add-store", "Two")
    assert added.stdout.endswith("its files go to the store Default, and may be in Two.\n"), added.output
    assert farm.admin("workspace", "set", "System", "--drop-store", "Two").exit_code == 0
    refused = farm.admin("workspace", "set", "System", "--drop-store", "Default")
    assert refused.exit_code == 1
    assert "name another one for them first" in refused.stderr


def test_a_store_with_objects_that_are_still_going_stays_in_the_configuration(tmp_path: Path) -> None:
    fill(tmp_path)
    farm = Farm(tmp_path, running=True)
    with running_server(tmp_path / "data"):
        assert farm.admin("stores", "migrate", "Default", "Two").exit_code == 0
    moved = (tmp_path / "data/debusine.toml").read_text().replace(f"{tmp_path}/one", f"{tmp_path}/elsewhere")
    (tmp_path / "data/debusine.toml").write_text(moved)

    refused = farm.admin("stores", "list")

    assert refused.exit_code == 2
    assert "still holds files" in refused.stderr
    with sqlite3.connect(tmp_path / "data/debusine.sqlite") as database:
        assert database.execute("SELECT count(*) FROM set_aside_copies").fetchone() == (1,)


def test_sizes_are_told_as_people_read_them() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 5 << 30, 3 << 50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 GiB",
        "3072.0 TiB",
    ]
