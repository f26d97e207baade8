"""The programs where the packages of their extra are not installed."""

import re
import subprocess
import sys
import textwrap
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from debusine.cli.programs import EXTRAS
from tests.cli.processes import run

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

#: Runs a program as its script does, in a Python that lacks some packages.
WITHOUT = """
    import sys
    from importlib.machinery import PathFinder
    hidden = sys.argv.pop(1).split(",")
    find_spec = PathFinder.find_spec
    PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in hidden else find_spec(name, *rest)
    from debusine.cli import programs
    getattr(programs, sys.argv.pop(1))()
    """


def run_without(packages: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a function of the module with these arguments."""
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT), packages, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("name", "hidden", "told"),
    [
        ("server", "sqlalchemy,alembic", "debusine-server: it needs alembic, sqlalchemy, "),
        ("admin", "sqlalchemy", "debusine-admin: it needs sqlalchemy, "),
        ("worker", "psutil", "debusine-worker: it needs psutil, "),
    ],
)
def test_a_program_without_its_extra_says_in_one_line_what_to_install(name: str, hidden: str, told: str) -> None:
    done = run_without(hidden, name, "--help")

    assert (done.returncode, done.stdout) == (2, "")
    extra = "worker" if name == "worker" else "server"
    install = f"not installed beside this Python; run: {sys.executable} -m pip install 'debusine[{extra}]'"
    assert done.stderr == f"{told}{install}\n"


@pytest.mark.parametrize("name", ["server", "admin", "worker"])
def test_a_program_with_its_extra_starts(name: str) -> None:
    done = run_without("psycopg,uvloop", name, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("program", ["debusine", "debusine-admin", "debusine-server", "debusine-worker"])
def test_every_program_tells_its_version_and_how_it_is_used_in_the_same_way(program: str) -> None:
    told = run(program, "--version")
    short, long = run(program, "-h"), run(program, "--help")

    assert (told.returncode, told.stdout) == (0, f"{program} {version('debusine')}\n")
    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert f"Usage: {program} [OPTIONS]" in long.stdout


def test_the_packages_asked_for_are_those_of_the_extras() -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]

    for extra, packages in EXTRAS.items():
        others = [line for line in declared[extra] if not line.startswith("debusine[")]
        assert {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in others} == {*packages}


def test_the_scripts_begin_there() -> None:
    scripts = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]

    assert {name: place for name, place in scripts.items() if name != "debusine"} == {
        f"debusine-{name}": f"debusine.cli.programs:{name}" for name in ("admin", "server", "worker")
    }
