"""``debusine-admin``: the same while the server runs and while it does not, on both databases."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from debusine.cli.admin import main
from tests.cli.processes import run, running_server
from tests.postgresql import PostgreSQLServer

#: Asks in this process, which is quicker; that there is a program to start is seen further down.
Admin = Callable[..., Result]

KEY = re.compile(r"[0-9a-f]{64}\n")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / ("a-directory-whose-name-is-too-long-for-the-name-of-a-socket-" * 2) / "data"


@pytest.fixture(params=["stopped", "running", "postgresql"])
def admin(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Admin]:
    """The command, on a farm whose server does not run, or runs, or is on PostgreSQL."""
    env: dict[str, str] = {}

    def ask(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(data_dir), *arguments], env=env)

    with ExitStack() as stack:
        if request.param == "running":
            stack.enter_context(running_server(data_dir))
        elif request.param == "postgresql":
            server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
            env["DEBUSINE_DATABASE"] = server.create_database()
            stack.callback(server.discard_database, env["DEBUSINE_DATABASE"])
            assert ask("migrate").exit_code == 0
        yield ask


def test_the_operators_day(admin: Admin) -> None:
    assert "token create alice" in admin("user", "create", "alice", "--superuser").stdout
    assert admin("user", "set", "alice", "--no-superuser").stdout == "The user alice is no superuser any more.\n"
    assert admin("user", "set", "alice", "--superuser").stdout == "The user alice is a superuser now.\n"
    assert admin("user", "list").stdout.splitlines()[1].split()[:3] == ["alice", "yes", "yes"]
    assert KEY.fullmatch(admin("token", "create", "alice").stdout)
    assert KEY.fullmatch(admin("worker", "create", "W1.Example.org").stdout)
    assert admin("worker", "create", "w1.example.org").exit_code == 0
    assert "disabled" in admin("worker", "disable", "w1-example-org").stdout
    assert "enabled" in admin("worker", "enable", "w1-example-org-2").stdout
    listed = [line.split() for line in admin("worker", "list").stdout.splitlines()]
    assert [line[:2] for line in listed[1:]] == [["w1-example-org", "no"], ["w1-example-org-2", "yes"]]

    number = admin("token", "list").stdout.splitlines()[1].split()[0]
    assert "disabled" in admin("token", "disable", number).stdout
    assert "enabled" in admin("token", "enable", number).stdout

    assert "was made: private" in admin("workspace", "create", "W", "--store", "Default").stdout
    assert "is now public" in admin("workspace", "set", "W", "--public").stdout
    listed = [line.split() for line in admin("workspace", "list").stdout.splitlines()]
    assert listed[1:] == [["System", "no", "Default"], ["W", "yes", "Default"]]


def test_who_has_not_registered_yet_is_not_called_enabled(data_dir: Path) -> None:
    def ask(*arguments: str) -> str:
        return CliRunner().invoke(main, ["--data-dir", str(data_dir), *arguments]).stdout

    assert KEY.fullmatch(ask("worker", "create", "w1.example.org", "--activation"))

    assert "not yet; its activation token is good for it" in ask("worker", "list")
    listed = json.loads(ask("--json", "worker", "list"))
    assert [(row["enabled"], row["registered_at"], row["activation"]) for row in listed] == [(False, None, "good")]
    assert ask("worker", "enable", "w1-example-org") == (
        "The worker w1-example-org has not registered yet; its activation token enables it then.\n"
    )


def test_json_is_what_a_program_reads(admin: Admin) -> None:
    assert json.loads(admin("--json", "user", "list").stdout) == []
    bob = json.loads(admin("--json", "user", "create", "bob").stdout)
    assert (bob["name"], bob["superuser"], bob["active"]) == ("bob", False, True)
    assert json.loads(admin("--json", "user", "list").stdout) == [bob]
    assert len(json.loads(admin("--json", "token", "create", "bob").stdout)["key"]) == 64
    assert json.loads(admin("--json", "worker", "list").stdout) == []
    workspaces = json.loads(admin("--json", "workspace", "list").stdout)
    assert workspaces == [{"name": "System", "public": False, "store": "Default", "other_stores": []}]


def test_a_refusal_is_one_sentence_with_what_to_do(admin: Admin) -> None:
    for arguments, told in REFUSALS:
        done = admin(*arguments)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("debusine-admin: ")
        assert told in done.stderr


REFUSALS: list[tuple[tuple[str, ...], str]] = [
    (("user", "set", "nobody", "--superuser"), "There is no user 'nobody'; make one with: debusine-admin user create"),
    (("token", "create", "nobody"), "There is no user 'nobody'; make one with: debusine-admin user create nobody"),
    (("token", "disable", "99"), "There is no token 99; see: debusine-admin token list"),
    (("worker", "enable", "w9"), "There is no worker 'w9'; see: debusine-admin worker list"),
    (("workspace", "create", "a/b"), "'a/b' cannot be the name of a workspace"),
    (("workspace", "create", "System"), "There is a workspace 'System' already"),
    (("workspace", "create", "W", "--store", "Tape"), "There is no file store 'Tape'; there are: Default"),
    (("workspace", "set", "W", "--public"), "There is no workspace 'W'"),
    (("worker", "create", ""), "'' cannot be the domain name of a worker"),
    (("worker", "create", "\x1b[31m", "--activation"), "cannot be the domain name of a worker"),
]


@pytest.mark.parametrize(
    ("noun", "name", "told"),
    [("workspace", "System", "--public, --private, --store"), ("user", "alice", "--superuser or --no-superuser")],
)
def test_a_change_of_nothing_is_refused(noun: str, name: str, told: str) -> None:
    done = run("debusine-admin", noun, "set", name)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_only_the_owner_can_open_the_servers_socket(tmp_path: Path) -> None:
    with running_server(tmp_path / "data"):
        mode = (tmp_path / "data" / "admin.sock").stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_what_a_killed_server_leaves_is_no_hindrance(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        server.process.kill()
        server.process.wait()

        assert run("debusine-admin", "--data-dir", str(tmp_path / "data"), "user", "create", "alice").returncode == 0


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "farm.toml").write_text("listn = 1")

    done = run("debusine-admin", "--config", str(tmp_path / "farm.toml"), "worker", "list")

    assert (done.returncode, done.stdout) == (2, "")
    assert "farm.toml: listn: there is no such setting" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = run("debusine-admin", "--data-dir", str(tmp_path / "file" / "data"), "worker", "list")

    assert done.returncode == 2
    assert "cannot be written: Not a directory" in done.stderr


class TestPlugins:
    def test_they_are_shown_with_what_they_offer(self) -> None:
        rows = {row["plugin"]: row for row in json.loads(run("debusine-admin", "--json", "plugins").stdout)}

        assert rows["debusine:policies"]["classes"] == ["fifo"]
        assert rows["debusine-filestore-local:local"]["hooks"] == ["debusine_file_stores"]
        assert "noop" in rows["debusine:tasks"]["classes"]
        assert [row for row in rows.values() if row["error"]] == []

    def test_one_that_is_broken_is_shown_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "debusine_broken.py").write_text("import nothing_of_this_name")
        facts = tmp_path / "broken-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[debusine]\ntape = debusine_broken\n")

        done = run("debusine-admin", "plugins", env={"PYTHONPATH": str(tmp_path)})

        assert done.returncode == 0
        assert "broken:tape" in done.stdout
        assert "No module named 'nothing_of_this_name'" in done.stdout
        assert done.stderr == ""


class TestMigrate:
    def test_an_embedded_database_is_brought_to_the_present_version_once(self, tmp_path: Path) -> None:
        directory = ("--data-dir", str(tmp_path / "data"))
        first = run("debusine-admin", *directory, "--json", "migrate")
        second = run("debusine-admin", *directory, "migrate")

        assert json.loads(first.stdout)["changed"] is True
        assert "has already version" in second.stdout

    def test_a_running_server_is_not_disturbed(self, tmp_path: Path) -> None:
        with running_server(tmp_path / "data"):
            done = run("debusine-admin", "--data-dir", str(tmp_path / "data"), "migrate")

        assert done.returncode == 2
        assert "is in use by debusine-server" in done.stderr
