"""The page that tells how to write a file store works, word for word."""

import json
import re
from pathlib import Path

from tests.how_to import PAGES, Environment

PAGE = PAGES / "write-a-file-store.md"


def test_the_page_shows_every_file_of_the_package(package: Path) -> None:
    names = {path.name for path in package.iterdir() if path.is_file()}

    assert names == {"pyproject.toml", "debusine_filestore_shelf.py", "test_shelf.py", "debusine.toml"}


def test_the_package_conforms(environment: Environment, package: Path) -> None:
    done = environment.run([str(environment.python), "-m", "pytest", "-qra", "-p", "no:cacheprovider"], cwd=package)

    assert done.returncode == 0, done.stdout + done.stderr
    assert capabilities_on_the_page() in done.stdout


def capabilities_on_the_page() -> str:
    return "".join(re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_the_page_tells_of_every_capability() -> None:
    told = re.findall(r"`(\w+|another process)`", "".join(re.findall(r"^\| `.*? \|", PAGE.read_text(), re.MULTILINE)))
    has, lacks = capabilities_on_the_page().partition(" has ")[2].split("\n", 1)

    assert sorted(told) == sorted([*has.split(", "), *re.findall(r"lacks (\w+):", lacks)])


def test_the_installed_plugin_is_shown_to_the_operator(environment: Environment, tmp_path: Path) -> None:
    done = environment.run(environment.program("debusine-admin", "--data-dir", str(tmp_path), "--json", "plugins"))

    assert done.returncode == 0, done.stderr
    rows = {row["plugin"]: row for row in json.loads(done.stdout)}
    shelf = rows["debusine-filestore-shelf:shelf"]
    assert (shelf["version"], shelf["classes"], shelf["error"]) == ("1.0", ["shelf"], None)


def test_the_manager_builds_it_from_the_pages_configuration(
    environment: Environment, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "shelf.key").write_text("secret")
    script = (
        "import asyncio, tomllib\n"
        "from debusine.plugin.manager import PluginManager\n"
        "from debusine.plugin.options import structure_options\n"
        "store = tomllib.load(open('debusine.toml', 'rb'))['stores']['Default']\n"
        f"store['options']['label_key_file'] = {str(tmp_path / 'shelf.key')!r}\n"
        "shelf = PluginManager.load().file_stores().choose(store['backend'], where='stores.Default.backend')\n"
        "print(structure_options(shelf, store['options'], where='stores.Default.options'))\n"
    )

    done = environment.run([str(environment.python), "-c", script], cwd=package)

    assert done.stdout == "ShelfOptions(directory=PosixPath('/srv/shelf'), label_key=Secret(…))\n", done.stderr
