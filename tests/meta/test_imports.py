"""Who imports what, as far as only a running program can tell; the rest is import-linter's."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PLUGINS = sorted(path for path in (CHECKOUT / "plugins").glob("*/debusine_*/**/*.py"))

#: What takes long to import, or is not installed everywhere.
HEAVY = ["boto3", "jsonschema", "smtplib", "sqlalchemy", "alembic", "psycopg", "aiosmtpd"]


def modules_after(code: str) -> set[str]:
    """What a fresh Python has imported after running this."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_finding_the_plugins_imports_nothing_heavy() -> None:
    modules = modules_after("from debusine.plugin.manager import PluginManager; PluginManager.load()")

    assert modules.intersection(HEAVY) == set()
    assert "debusine_filestore_local" in modules
    assert "debusine_filestore_local.backend" not in modules
    assert "debusine_notify_email.method" not in modules


def test_a_server_without_a_store_in_s3_gets_nothing_of_boto3() -> None:
    modules = modules_after("from debusine.plugin.manager import PluginManager; PluginManager.load().file_stores()")

    assert "debusine_filestore_s3.backend" in modules
    assert modules.intersection(["boto3", "botocore.client"]) == set()


def test_a_worker_that_asks_for_its_tasks_gets_nothing_of_the_servers_side() -> None:
    modules = modules_after("from debusine.plugin.manager import PluginManager; PluginManager.load().tasks()")

    assert modules.intersection([*HEAVY, "debusine.db", "debusine.services", "debusine.server"]) == set()
    assert "debusine_filestore_local.backend" not in modules


@pytest.mark.parametrize("program", ["debusine.cli.main", "debusine.cli.worker"])
def test_a_program_of_the_other_side_starts_without_the_servers_libraries(program: str) -> None:
    assert modules_after(f"import {program}").intersection(HEAVY) == set()


def test_only_programs_start_an_event_loop() -> None:
    users = [path.relative_to(CHECKOUT).parts[1] for path, call in calls() if call == "asyncio.run"]

    assert set(users) == {"cli"}


def test_the_domain_tells_the_time_in_one_place() -> None:
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "datetime.datetime.now"}

    assert {str(path.relative_to(CHECKOUT)) for path, call in calls() if call in clocks} == {"debusine/domain/times.py"}


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(CHECKOUT / "plugins")))
def test_a_plugin_imports_what_a_plugin_may(path: Path) -> None:
    allowed = ("debusine.plugin", "debusine.debian")
    ours = [name for name in imported(path) if name == "debusine" or name.startswith("debusine.")]

    assert [name for name in ours if name not in allowed] == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


def calls() -> Iterator[tuple[Path, str]]:
    """Every call of a function by its dotted name, in the package."""
    for path in (CHECKOUT / "debusine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield path, ast.unparse(node.func)
