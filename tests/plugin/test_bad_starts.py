"""A start that cannot go well because of plugins: one line, exit status 2, nothing touched."""

import re
from pathlib import Path

import pytest

from tests.how_to import Environment

BROKEN = "import surely_not_installed\n"

NAMESAKE = """
from debusine.plugin import hookimpl
from debusine_filestore_local.backend import LocalFileStore

class Namesake(LocalFileStore):
    pass

@hookimpl
def debusine_file_stores():
    yield Namesake
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path / "environment")


def refusal(environment: Environment, directory: Path, configuration: str) -> str:
    """What the server says when it does not start with this configuration."""
    data = directory / "data"
    data.mkdir()
    (directory / "debusine.toml").write_text(configuration)
    options = ["--config", str(directory / "debusine.toml"), "--data-dir", str(data), "--listen", "127.0.0.1:0"]
    done = environment.run(environment.program("debusine-server", *options))

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(data.iterdir()) == []
    return done.stderr


def test_an_unknown_backend_is_told_with_those_that_there_are(environment: Environment, tmp_path: Path) -> None:
    told = refusal(environment, tmp_path, '[stores.Default]\nbackend = "tape"\n')

    said = r"stores\.Default\.backend: there is no file store backend named 'tape'; available: .*\blocal\b"
    assert re.search(said, told)


def test_an_unknown_policy_is_told_with_those_that_there_are(environment: Environment, tmp_path: Path) -> None:
    told = refusal(environment, tmp_path, '[scheduler]\npolicy = "lottery"\n')

    assert "scheduler.policy: there is no scheduler policy named 'lottery'; available: fifo\n" in told


def test_a_plugin_that_cannot_be_imported_is_told_when_its_class_is_chosen(
    environment: Environment, tmp_path: Path
) -> None:
    environment.plant("debusine-filestore-tape", "debusine_filestore_tape", BROKEN)

    told = refusal(environment, tmp_path, '[stores.Default]\nbackend = "tape"\n')

    reason = "ModuleNotFoundError: No module named 'surely_not_installed'"
    assert f"debusine-filestore-tape:plugin cannot be used: {reason}" in told


def test_two_plugins_of_one_name_are_both_told(environment: Environment, tmp_path: Path) -> None:
    environment.plant("debusine-filestore-other", "debusine_filestore_other", NAMESAKE)

    told = refusal(environment, tmp_path, "")

    assert "'local': debusine-filestore-local:local and debusine-filestore-other:plugin; uninstall one" in told


def test_an_unknown_option_is_told_with_its_path(environment: Environment, tmp_path: Path) -> None:
    configuration = '[stores.Default]\nbackend = "local"\n[stores.Default.options]\nbase_dir = "/srv"\n'

    told = refusal(environment, tmp_path, configuration)

    assert "stores.Default.options.base_dir: there is no such setting; known: base_directory\n" in told


def test_a_place_that_cannot_be_used_is_told_with_what_to_do(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "store"
    data = tmp_path / "data"
    data.mkdir()
    configuration = f'[stores.Default]\nbackend = "local"\n[stores.Default.options]\nbase_directory = "{place}"\n'
    (tmp_path / "debusine.toml").write_text(configuration)

    options = ["--config", str(tmp_path / "debusine.toml"), "--data-dir", str(data), "--listen", "127.0.0.1:0"]
    done = environment.run(environment.program("debusine-server", *options))

    assert done.returncode == 2
    assert f"{place} cannot keep files: Not a directory; name another directory" in done.stderr.splitlines()[-1]


def test_a_broken_plugin_that_nobody_chose_is_listed_and_does_not_stop_anybody(
    environment: Environment, tmp_path: Path
) -> None:
    environment.plant("debusine-filestore-tape", "debusine_filestore_tape", BROKEN)

    done = environment.run(environment.program("debusine-admin", "--data-dir", str(tmp_path), "plugins"))

    assert done.returncode == 0
    assert "surely_not_installed" in done.stdout.replace("\n", "")
    assert "local" in done.stdout
