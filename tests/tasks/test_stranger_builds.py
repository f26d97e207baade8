"""The demo's package, built by strangers: a client and a worker that know the protocol alone, and a real server.

It runs after ``test_real_builds``, whose environment it takes over; alone it has the foreign worker make one.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from scripts.demo.machine import Mirror, architecture, mirror
from scripts.demo.source import pack_bundled
from tests.e2e.farm import eventually
from tests.foreign.processes import ForeignClient, ForeignWorker
from tests.places import place
from tests.wire.server import Server, running_server
from tests.worker.fake_server import FakeArtifact
from tests.worker.program import WorkerProgram

pytestmark = pytest.mark.build

#: Seconds; a slow machine with a slow mirror.
LONG = 900.0


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def client(server: Server, tmp_path: Path) -> ForeignClient:
    return ForeignClient.make(tmp_path, server.url, server.user_key())


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own directory, which is closed to other users.
    with place("stranger", mode=0o711, parent=Path("/var/tmp")) as directory:
        home = directory / "home"
        home.mkdir(mode=0o711)
        yield home


@pytest.fixture
def worker(server: Server, home: Path) -> Iterator[ForeignWorker]:
    """The foreign worker as the user that workers are made for."""
    program = WorkerProgram(home)
    program.give_away()
    done = subprocess.run(program.command("--check"), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine cannot run Debian's tools: {done.stdout} {done.stderr}")
    worker = ForeignWorker(home, prefix=program.prefix, python=str(program.python))
    worker.configure(server.url, server.worker_key())
    worker.give_away()
    worker.start()
    yield worker
    if worker.alive:
        worker.stop()
    print(worker.log.read_text())


@pytest.fixture
def reachable_mirror() -> Mirror:
    found = mirror()
    if found is None:
        pytest.skip("apt on this machine knows no mirror")
    try:
        urlopen(f"{found.url}/dists/{found.suite}/InRelease", timeout=30).close()
    except OSError as error:
        pytest.skip(f"the mirror of this machine is out of reach: {error}")
    return found


def done(client: ForeignClient, worker: ForeignWorker, task: str, data: object) -> Any:
    """Have something done, and return what the client shows of it."""
    number = client.run("create-work-request", task, given=data).yaml()["work_request_id"]
    begun = time.monotonic()

    def ended() -> Any:
        assert worker.alive, worker.log.read_text()
        shown = client.run("show-work-request", number).yaml()
        return shown if shown["status"] == "completed" else None

    shown = eventually(f"{task} is completed", ended, LONG)
    print(f"{task}: {shown['result']} after {time.monotonic() - begun:.1f} s")
    return shown


def environment(
    client: ForeignClient, worker: ForeignWorker, kept: dict[str, FakeArtifact], found: Mirror, directory: Path
) -> int:
    """The artifact to build in: what an earlier test made, or what the foreign worker makes."""
    if "environment" in kept:
        made = kept["environment"]
        (directory / "data.yaml").write_text(json.dumps(made.data))
        (directory / "system.tar.xz").write_bytes(made.contents["system.tar.xz"])
        words = ("--data", directory / "data.yaml", "--upload-base-directory", directory, "--upload", "system.tar.xz")
        return int(client.run("create-artifact", "debian:system-tarball", *words).yaml()["artifact_id"])
    data = {
        "bootstrap_options": {
            "architecture": architecture(), "variant": "apt", "extra_packages": ["build-essential", "debhelper"],
        },
        "bootstrap_repositories": [{"mirror": found.url, "suite": found.suite, "components": ["main"]}],
    }  # fmt: skip
    shown = done(client, worker, "mmdebstrap", data)
    assert shown["result"] == "success", shown
    (tarball,) = [each for each in shown["artifacts"] if each["category"] == "debian:system-tarball"]
    return int(tarball["id"])


def test_strangers_build_the_package_of_the_demo(
    client: ForeignClient,
    worker: ForeignWorker,
    kept: dict[str, FakeArtifact],
    reachable_mirror: Mirror,
    tmp_path: Path,
) -> None:
    (tmp_path / "source").mkdir()
    dsc = pack_bundled(tmp_path / "source")
    source = client.run("import-debian-artifact", dsc).yaml()["artifact_id"]
    image = environment(client, worker, kept, reachable_mirror, tmp_path)
    shown = done(
        client,
        worker,
        "sbuild",
        {
            "input": {"source_artifact": source},
            "environment": image,
            "host_architecture": architecture(),
            "build_components": ["any", "all"],
        },
    )
    assert shown["result"] == "success", shown
    made = {artifact["category"]: artifact for artifact in shown["artifacts"]}
    assert made.keys() == {
        "debian:package-build-log", "debian:binary-package", "debian:binary-packages", "debian:upload",
        "debusine:signing-input", "debusine:work-request-debug-logs",
    }  # fmt: skip
    target = tmp_path / "target"
    target.mkdir()
    client.run("download-artifact", made["debian:upload"]["id"], "--target-directory", target)
    (changes,) = target.glob("*.changes")
    check_packages(target)
    assert changes.name in made["debian:upload"]["files"]
    related = client.run("show-artifact-relations", made["debian:binary-packages"]["id"]).yaml()
    assert [(each["target"], each["type"]) for each in related] == [(source, "built-using")]
    back = client.run("show-artifact-relations", source, "--reverse").yaml()
    assert {each["artifact"] for each in back} >= {made["debian:package-build-log"]["id"]}


def check_packages(directory: Path) -> None:
    """Every package that came back can be read by dpkg."""
    debs = [path for path in directory.iterdir() if path.suffix == ".deb"]
    assert debs
    for deb in debs:
        assert os.fsdecode(subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, check=True).stdout)
