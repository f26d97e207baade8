"""A stranger's task: the package of the how-to page is requested, scheduled and run by real processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.farm import Farm, running_farm
from tests.how_to import write_package

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs/how-to/write-a-task.md"


@pytest.fixture
def farm(worker_sources: None, tmp_path: Path) -> Iterator[Farm]:
    """A server, and a worker that is to come, with the page's package."""
    (tmp_path / "package").mkdir()
    with running_farm(tmp_path) as farm:
        install(write_package(PAGE, tmp_path / "package"), farm.public / "plugins")
        assert farm.server is not None
        farm.server.stop()
        farm.start_server()
        yield farm


def install(package: Path, directory: Path) -> None:
    """Build a package and install it into a directory, from what is on this machine alone."""
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(directory), str(package)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in directory.rglob("*"):
        path.chmod(0o755)


def test_a_task_from_the_page_is_run(farm: Farm, tmp_path: Path) -> None:
    farm.start_worker(farm.make_worker("builder"))
    (tmp_path / "a.txt").write_text("five words are in here\n")
    artifact = farm.client("create-artifact", "debusine:test", "--upload", str(tmp_path / "a.txt"))["artifact_id"]

    enough = farm.create_work_request("wordcount", {"artifact": artifact, "least": 5})
    too_few = farm.create_work_request("wordcount", {"artifact": artifact, "least": 6})

    done = farm.wait_for(enough, "completed")
    assert (done["result"], done["dynamic_task_data"]) == ("success", {"artifact_id": artifact})
    assert farm.wait_for(too_few, "completed")["result"] == "failure"
    counts = min(done["artifacts"])
    farm.client("download-artifact", str(counts), "--target-directory", str(tmp_path))
    assert (tmp_path / "counts.txt").read_text() == "5 a.txt\n"
