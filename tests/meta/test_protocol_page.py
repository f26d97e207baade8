"""The page about the protocol and the tests of the wire hold what the server offers, row by row."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from debusine.server.route import path_of
from debusine.server.routes import ROUTES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/protocol.md").read_text()
SECTIONS = {int(number) for number in re.findall(r"^## (\d+) ", PAGE, re.MULTILINE)}
#: Pages for people and the operator's figures are no part of the protocol.
BESIDE = {"/", "/static/debusine.css", "/health", "/metrics"}

#: Section, and what a test about it must be about, in the words of its docstring.
ROWS = [
    (int(section), words)
    for line in (ROOT / "tests/wire/rows.txt").read_text().splitlines()
    if not line.startswith("#")
    for section, _, words in [line.partition(" ")]
]


def wire_tests() -> Iterator[tuple[str, str]]:
    """Each test below tests/wire, and its docstring."""
    for path in sorted((ROOT / "tests/wire").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", ast.get_docstring(node) or ""


TESTS = dict(wire_tests())


def about(section: int) -> str:
    """What the tests about a section say, in one text."""
    return "\n".join(said for said in TESTS.values() if re.search(rf"§{section}(?!\d)", said))


def test_each_test_of_the_wire_names_its_section_of_the_page() -> None:
    named = {name: {int(number) for number in re.findall(r"§(\d+)", said)} for name, said in TESTS.items()}
    assert [name for name, said in TESTS.items() if not said.startswith("§")] == []
    assert [name for name, sections in named.items() if not sections <= SECTIONS] == []


def test_every_row_has_a_test_that_names_it() -> None:
    assert [(section, row) for section, row in ROWS if row not in about(section)] == []


def test_the_page_names_every_endpoint_and_no_other() -> None:
    named = {tuple(words.split()) for words in re.findall(r"^\| `([A-Z]+ [^`]+)` \|", PAGE, re.MULTILINE)}
    offered = {(route.method, plain(path_of(route))) for route in ROUTES if path_of(route) not in BESIDE}
    assert named == {each for each in offered if not is_page(each[1])}


def is_page(path: str) -> bool:
    """Whether people look at it."""
    return path.startswith("/SCOPE/") and "/download/" not in path


def plain(path: str) -> str:
    """A path as the page writes it."""
    words = {"{id}": "N", "{path}": "PATH", "{scope}": "SCOPE", "{workspace}": "WORKSPACE"}
    for placeholder, word in words.items():
        path = path.replace(placeholder, word)
    return path.removeprefix("/api/1.0/")


@pytest.mark.parametrize("name", ["client", "worker", "transport", "tasks", "packages", "reading", "task_classes"])
def test_the_foreign_programs_know_nothing_of_ours(name: str) -> None:
    tree = ast.parse((ROOT / f"tests/foreign/{name}.py").read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {module for module in imported if module.split(".")[0] in {"debusine", "scripts"}}
    assert ours == set()
    assert {
        module for module in imported if module.startswith("tests.") and not module.startswith("tests.foreign.")
    } == set()
