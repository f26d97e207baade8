"""The page that tells how to write a task works, word for word."""

import json
from pathlib import Path

from tests.how_to import PAGES, Environment

PAGE = PAGES / "write-a-task.md"


def test_the_page_shows_every_file_of_the_package(package: Path) -> None:
    names = {path.name for path in package.iterdir() if path.is_file()}

    assert names == {"pyproject.toml", "debusine_task_wordcount.py", "test_wordcount.py"}


def test_the_package_conforms(environment: Environment, package: Path) -> None:
    done = environment.run([str(environment.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=package)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_the_installed_task_is_shown_to_the_operator(environment: Environment, tmp_path: Path) -> None:
    done = environment.run(environment.program("debusine-admin", "--data-dir", str(tmp_path), "--json", "plugins"))

    assert done.returncode == 0, done.stderr
    rows = {row["plugin"]: row for row in json.loads(done.stdout)}
    wordcount = rows["debusine-task-wordcount:wordcount"]
    assert (wordcount["version"], wordcount["classes"], wordcount["error"]) == ("1.0", ["wordcount"], None)
