"""What the worker may not need, and may not show."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from debusine.worker.sandbox import Sandbox

BLOCKED = """
    import sys
    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {"sqlalchemy", "alembic", "psycopg"} or name.startswith(
                ("debusine.server", "debusine.scheduler", "debusine.services", "debusine.db", "debusine.config")
            ):
                raise ImportError(f"{name} is none of the worker's business")
    sys.meta_path.insert(0, Refuse())
    import debusine.cli.worker, debusine.tasks
    print(len(list(debusine.tasks.debusine_tasks())))
    """


def test_the_worker_starts_where_nothing_of_the_server_is_installed() -> None:
    program = [sys.executable, "-c", textwrap.dedent(BLOCKED)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("13\n", 0), done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")
def test_root_is_refused_in_one_sentence_with_the_command_to_use() -> None:
    program = [sys.executable, "-c", "from debusine.cli.worker import main; main()"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "runuser" in done.stderr


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    for name in ("work", "secret", "readable"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret/token").write_text("verysecret")
    for path in (tmp_path / "home/.bashrc", tmp_path / "another-run/log"):
        path.parent.mkdir()
        path.write_text("nobody else's business")
    (tmp_path / "readable/file").write_text("readable")
    sandbox = Sandbox(writable=[tmp_path / "work"], readable=[tmp_path / "readable"], hidden=[tmp_path / "secret"])
    probe = subprocess.run(sandbox.wrap(["true"], tmp_path / "work"), capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"bubblewrap cannot run here: {probe.stderr}")
    return sandbox


def sandboxed(sandbox: Sandbox, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(sandbox.wrap(argv, tmp_path / "work"), capture_output=True, text=True, check=False)


def test_a_sandboxed_command_sees_its_inputs_and_may_write_to_its_directory(sandbox: Sandbox, tmp_path: Path) -> None:
    done = sandboxed(sandbox, tmp_path, "cp", str(tmp_path / "readable/file"), "copy")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "work/copy").read_text() == "readable"


@pytest.mark.parametrize("place", ["secret/token", "home/.bashrc", "another-run/log", "/run"])
def test_a_sandboxed_command_sees_no_secrets_and_nothing_of_others(
    sandbox: Sandbox, tmp_path: Path, place: str
) -> None:
    assert (tmp_path / place).exists()
    assert sandboxed(sandbox, tmp_path, "cat", str(tmp_path / place)).returncode != 0
    assert "No such file" in sandboxed(sandbox, tmp_path, "ls", str(tmp_path / place)).stderr


@pytest.mark.parametrize("homes", ["/home", "/root", str(Path.home())])
def test_a_sandboxed_command_sees_no_homes_but_the_way_to_a_python_in_one(
    sandbox: Sandbox, tmp_path: Path, homes: str
) -> None:
    pythons = {Path(sys.prefix), Path(sys.base_prefix)}
    beyond = [word for python in pythons for word in ("-path", str(python), "-prune", "-o")]
    seen = sandboxed(sandbox, tmp_path, "find", homes, "-mindepth", "1", *beyond, "-print").stdout.split("\n")
    assert {Path(path) for path in seen if path} <= {above for python in pythons for above in python.parents}


@pytest.mark.parametrize("place", ["/usr/x", "/etc/x", "readable/x"])
def test_a_sandboxed_command_changes_nothing_else(sandbox: Sandbox, tmp_path: Path, place: str) -> None:
    assert sandboxed(sandbox, tmp_path, "touch", str(tmp_path / place)).returncode != 0
    assert not (tmp_path / place).exists()


def test_a_sandboxed_command_has_no_network_and_sees_no_other_process(sandbox: Sandbox, tmp_path: Path) -> None:
    devices = sandboxed(sandbox, tmp_path, "cat", "/proc/net/dev").stdout
    assert [line.partition(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]
    processes = [name for name in sandboxed(sandbox, tmp_path, "ls", "/proc").stdout.split() if name.isdigit()]
    assert len(processes) <= 2
