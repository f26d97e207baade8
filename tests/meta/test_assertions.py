"""Every test lets its reader see what it asserts."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Parts of the names of functions that assert something.
ASSERTING = ("assert", "raises", "require", "fail")


def all_tests() -> Iterator[tuple[str, ast.AST]]:
    """The tests of the whole tree, those of the shipped suites, too."""
    for place in ("tests", "plugins", "debusine/testing"):
        for path in sorted((ROOT / place).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield f"{path.relative_to(ROOT)}: {node.name}", node


def asserts(node: ast.AST) -> bool:
    """Whether a statement, or the name of a function that is called, says that something must hold."""
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    names = (ast.unparse(call).rpartition(".")[2] for call in calls)
    return any(isinstance(part, ast.Assert) for part in ast.walk(node)) or any(
        word in name for name in names for word in ASSERTING
    )


def test_every_test_shows_what_it_asserts() -> None:
    assert [name for name, node in all_tests() if not asserts(node)] == []
