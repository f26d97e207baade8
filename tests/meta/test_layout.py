"""The house keeps its order: names, sizes, and what every package has."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
SOURCES = sorted([*CHECKOUT.glob("debusine/**/*.py"), *CHECKOUT.glob("plugins/*/debusine_*/**/*.py")])
PLUGINS = sorted(path for path in (CHECKOUT / "plugins").iterdir() if (path / "pyproject.toml").exists())

VAGUE = {"utils", "util", "common", "helpers", "misc", "base"}
MODULE = 400
FUNCTION = 40

#: Tables and hooks that read as lists; splitting them would only hide the end.
LISTS = {"_work_requests", "new_converter"}


def test_no_module_has_a_vague_name() -> None:
    assert [path for path in SOURCES if path.stem in VAGUE] == []


def test_modules_are_short() -> None:
    assert [path for path in SOURCES if len(path.read_text().splitlines()) > MODULE] == []


def test_functions_are_short() -> None:
    long = [
        f"{path.name}: {node.name}" for path, node in functions() if node.name not in LISTS and lines(node) > FUNCTION
    ]

    assert long == []


def test_a_function_is_about_seven_lines_long() -> None:
    sizes = sorted(lines(node) for _, node in functions())

    assert sizes[len(sizes) // 2] <= 8


def test_tests_are_no_packages() -> None:
    assert [*CHECKOUT.glob("tests/**/__init__.py"), *CHECKOUT.glob("plugins/*/tests/**/__init__.py")] == []


@pytest.mark.skipif(find_spec("importlinter") is None, reason="import-linter is not installed; make install does it")
def test_the_layers_hold() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", lint, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
class TestPlugin:
    def test_it_is_a_package_of_its_own(self, plugin: Path) -> None:
        project = settings(plugin)["project"]
        module = plugin / f"debusine_{plugin.name}"

        assert project["name"] == f"debusine-{plugin.name.replace('_', '-')}"
        assert (module / "__init__.py").exists()
        assert (module / "py.typed").exists()
        assert (plugin / "README.md").read_text().startswith(f"# {project['name']}\n")

    def test_it_says_which_debusine_it_fits(self, plugin: Path) -> None:
        (dependency,) = [text for text in settings(plugin)["project"]["dependencies"] if text.startswith("debusine")]

        assert ">=" in dependency
        assert "<" in dependency

    def test_what_it_registers_is_tested(self, plugin: Path) -> None:
        registers = settings(plugin)["project"].get("entry-points", {}).get("debusine")

        assert not registers or list(plugin.glob("tests/test_*.py"))


def test_core_depends_on_no_plugin() -> None:
    project = settings(CHECKOUT)["project"]
    every = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]

    assert [text for text in every if text.startswith("debusine-")] == []


def settings(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "pyproject.toml").read_text())


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
