"""The page that tells how to write a notification method works, word for word."""

import json
from pathlib import Path

from tests.how_to import PAGES, Environment

PAGE = PAGES / "write-a-notification-method.md"


def test_the_page_shows_every_file_of_the_package(package: Path) -> None:
    names = {path.name for path in package.iterdir() if path.is_file()}

    assert names == {
        "pyproject.toml",
        "debusine_notify_webhook.py",
        "test_webhook.py",
        "debusine.toml",
        "channel.yaml",
    }


def test_the_package_conforms(environment: Environment, package: Path) -> None:
    done = environment.run([str(environment.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=package)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SKIPPED") == done.stdout.count("has no two recipients")


def test_the_installed_plugin_makes_the_channel_of_the_page(
    environment: Environment, package: Path, tmp_path: Path
) -> None:
    def admin(*arguments: str) -> object:
        options = ["--config", str(package / "debusine.toml"), "--data-dir", str(tmp_path / "data"), "--json"]
        done = environment.run(environment.program("debusine-admin", *options, *arguments))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    made = admin("channel", "create", "builders", "webhook", "--data", str(package / "channel.yaml"))

    assert made == {
        "name": "builders",
        "method": "webhook",
        "allow_overrides": False,
        "data": {"room": "#builders", "subject": "Build $work_request_id: $work_request_result"},
    }
    assert admin("channel", "list") == [made]
