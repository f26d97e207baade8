"""The tasks as they run in earnest: with Debian's tools, as the worker's user, against a server on HTTP."""

import asyncio
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from debusine.worker.processes import processes_of
from scripts.demo.machine import Mirror, mirror
from tests.debian_packages import SourcePackage
from tests.worker.fake_server import FakeArtifact, FakeServer
from tests.worker.program import WorkerProgram

pytestmark = pytest.mark.build

#: Seconds; a slow machine with a slow mirror.
LONG = 600.0


async def carried_out(server: FakeServer, task: str, data: Mapping[str, Any], dynamic: Mapping[str, Any]) -> str:
    """Have the worker do something, and return the result."""
    before = len(server.completed)
    server.add_work(task, data, dynamic_task_data=dict(dynamic))
    await server.announce_work()
    await server.until(lambda: len(server.completed) > before, LONG)
    report = server.completed[-1][2]
    print(json.dumps(report), [a.contents for a in server.made("debusine:work-request-debug-logs")])
    return str(report["result"])


def add_source(server: FakeServer, directory: Path, package: SourcePackage) -> int:
    dsc = package.write(directory)
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    data = {"name": package.name, "version": package.version, "type": "dpkg", "dsc_fields": {}}
    assert dsc.name in files
    return server.add_artifact("debian:source-package", data, files)


def add_again(server: FakeServer, artifact: FakeArtifact) -> int:
    return server.add_artifact(artifact.category, artifact.data, artifact.contents)


@pytest.fixture(scope="module")
def reachable_mirror() -> Mirror:
    """Where this machine gets its own packages from; out of reach, there is nothing to build with."""
    found = mirror()
    if found is None:
        pytest.skip("apt on this machine knows no mirror")
    try:
        urlopen(f"{found.url}/dists/{found.suite}/InRelease", timeout=30).close()
    except OSError as error:
        pytest.skip(f"the mirror of this machine is out of reach: {error}")
    return found


@pytest.fixture
async def environment(
    server: FakeServer,
    kept: dict[str, FakeArtifact],
    worker: asyncio.subprocess.Process,
    reachable_mirror: Mirror,
) -> int:
    assert worker.returncode is None
    if "environment" not in kept:
        keyring = {"url": "file:///usr/share/keyrings/debian-archive-keyring.gpg", "install": True}
        repository = {
            "mirror": reachable_mirror.url,
            "suite": reachable_mirror.suite,
            "check_signature_with": "external",
            "keyring": keyring,
        }
        data = {
            "bootstrap_options": {"architecture": architecture(), "variant": "buildd"},
            "bootstrap_repositories": [repository],
            "customization_script": "echo customized > $1/customized",
        }
        assert await carried_out(server, "mmdebstrap", data, {}) == "success"
        (kept["environment"],) = server.made("debian:system-tarball")
    return add_again(server, kept["environment"])


def architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


async def build(server: FakeServer, environment: int, source: int, **options: Any) -> str:
    data = {
        "input": {"source_artifact": source},
        "host_architecture": architecture(),
        "environment": environment,
        "build_components": ["any", "all"],
        **options,
    }
    dynamic = {"input_source_artifact_id": source, "environment_id": environment}
    return await carried_out(server, "sbuild", data, dynamic)


def logs_of(server: FakeServer) -> dict[str, bytes]:
    return server.made("debusine:work-request-debug-logs")[-1].contents


@pytest.mark.usefixtures("environment")
async def test_an_environment_is_what_was_asked_for_and_says_so(
    kept: dict[str, FakeArtifact], reachable_mirror: Mirror
) -> None:
    made = kept["environment"]
    assert (made.data["codename"], made.data["vendor"], made.data["variant"]) == (
        reachable_mirror.suite,
        "debian",
        "buildd",
    )
    assert made.data["pkglist"]["dpkg"]
    assert made.data["with_init"] is False
    with tarfile.open(fileobj=io.BytesIO(made.contents["system.tar.xz"]), mode="r:xz") as archive:
        names = archive.getnames()
        sources = archive.extractfile("./etc/apt/sources.list.d/0000debusine.sources")
        assert sources is not None
        assert b"Signed-By: /etc/apt/keyrings/debusine-0.gpg" in sources.read()
    assert "./customized" in names
    assert "./etc/apt/keyrings/debusine-0.gpg" in names
    assert "./etc/dpkg/dpkg.cfg.d/99mmdebstrap" not in names


async def test_a_source_becomes_packages_that_know_where_they_come_from_and_are_judged(
    server: FakeServer, environment: int, tmp_path: Path
) -> None:
    override = "tiny-error: no-manual-page [usr/bin/tiny-error]"
    package = SourcePackage(name="tiny-error", copyright=False, overrides=(override,))
    source = add_source(server, tmp_path, package)
    server.relations.clear()
    assert await build(server, environment, source) == "success"
    (log,) = server.made("debian:package-build-log")
    (deb,) = server.made("debian:binary-package")
    (debs,) = server.made("debian:binary-packages")
    (upload,) = server.made("debian:upload")
    (to_sign,) = server.made("debusine:signing-input")
    debug = server.made("debusine:work-request-debug-logs")[-1]
    assert log.data["filename"] == next(iter(log.contents)) == f"tiny-error_1.0_{architecture()}.build"
    assert b"Status: successful" in log.contents[log.data["filename"]]
    assert deb.data["deb_fields"]["Package"] == "tiny-error"
    assert (debs.data["packages"], debs.data["architecture"]) == (["tiny-error"], "all")
    assert "tiny-error_1.0_all.deb" in upload.contents
    assert list(to_sign.contents) == [f"tiny-error_1.0_{architecture()}.changes"]
    assert "stages.log" not in debug.contents
    assert server.relations == {
        (log.id, source, "relates-to"),
        (deb.id, source, "built-using"),
        (debs.id, source, "built-using"),
        (log.id, deb.id, "relates-to"),
        (log.id, debs.id, "relates-to"),
        (upload.id, deb.id, "extends"),
        (upload.id, debs.id, "extends"),
        (upload.id, deb.id, "relates-to"),
        (upload.id, debs.id, "relates-to"),
        (to_sign.id, upload.id, "relates-to"),
        (debug.id, source, "relates-to"),
    }
    assert server.completed[-1][2]["output_data"]["runtime_statistics"]["cpu_time"] > 0
    await judge(server, source, debs.id)


async def judge(server: FakeServer, source: int, binaries: int) -> None:
    """Have the machine's own lintian look at what was built."""
    data: dict[str, Any] = {"input": {"source_artifact": source, "binary_artifacts": [binaries]}}
    dynamic = {"input_source_artifact_id": source, "input_binary_artifacts_ids": [binaries]}
    assert await carried_out(server, "lintian", data, dynamic) == "failure"
    found = {artifact.data["architecture"]: artifact for artifact in server.made("debian:lintian")}
    assert found.keys() == {"source", "all"}
    summary = found["all"].data["summary"]
    assert summary["tags_count_by_severity"]["error"] == 1
    assert "no-copyright-file" in summary["tags_found"]
    assert summary["overridden_tags_found"] == ["no-manual-page"]
    assert summary["package_filename"] == {"tiny-error": "tiny-error_1.0_all.deb"}
    assert b"E: tiny-error: no-copyright-file\n" in found["all"].contents["lintian.txt"]
    assert json.loads(found["all"].contents["analysis.json"])["summary"] == summary
    assert {(found["all"].id, source, "relates-to"), (found["all"].id, binaries, "relates-to")} <= server.relations


async def test_a_source_that_does_not_build_is_a_failure_with_its_log(
    server: FakeServer, environment: int, tmp_path: Path
) -> None:
    source = add_source(server, tmp_path, SourcePackage(name="tiny-broken", build=("false",)))
    assert await build(server, environment, source) == "failure"
    (log,) = server.made("debian:package-build-log")
    assert b"Status: attempted" in next(iter(log.contents.values()))
    assert not server.made("debian:upload")
    assert "stages.log" in logs_of(server)


async def test_an_environment_that_is_no_tarball_is_an_error(
    server: FakeServer, environment: int, tmp_path: Path
) -> None:
    source = add_source(server, tmp_path, SourcePackage())
    data = {"filename": "system.tar.xz", "codename": "bookworm", "architecture": architecture()}
    broken = server.add_artifact("debian:system-tarball", data, {"system.tar.xz": b"no tarball"})
    assert await build(server, broken, source) == "error"
    assert server.completed[-1][2]["output_data"]["errors"][0]["code"] == "execute-failed"
    assert "images.log" in logs_of(server)


async def test_lintian_of_an_environment_judges_a_source(server: FakeServer, environment: int, tmp_path: Path) -> None:
    source = add_source(server, tmp_path, SourcePackage())
    data = {"input": {"source_artifact": source}, "environment": environment}
    dynamic = {"input_source_artifact_id": source, "environment_id": environment}
    assert await carried_out(server, "lintian", data, dynamic) == "success"
    (analysis,) = server.made("debian:lintian")
    assert analysis.data["summary"]["lintian_version"].startswith("2.")


async def sleeping_build(server: FakeServer, environment: int, directory: Path, home: Path) -> Path:
    """Begin a build that does not end, and return the directory of its run."""
    source = add_source(server, directory, SourcePackage(build=("sleep 600",)))
    data = {"input": {"source_artifact": source}, "host_architecture": architecture(), "environment": environment}
    dynamic = {"input_source_artifact_id": source, "environment_id": environment}
    server.add_work("sbuild", {**data, "build_components": ["all"]}, dynamic_task_data=dynamic)
    await server.announce_work()
    async with asyncio.timeout(LONG):
        while True:
            for log in (home / "runs").glob("*/logs/*.build"):
                if b"\nsleep 600" in log.read_bytes():
                    return log.parents[1]
            await asyncio.sleep(0.2)


async def until(condition: Callable[[], object], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.1)


async def test_a_worker_that_is_killed_leaves_no_process_and_its_next_start_no_directory(
    server: FakeServer,
    environment: int,
    tmp_path: Path,
    worker: asyncio.subprocess.Process,
    worker_program: WorkerProgram,
    worker_home: Path,
) -> None:
    run = await sleeping_build(server, environment, tmp_path, worker_home)
    worker.kill()
    await worker.wait()
    await until(lambda: not processes_of(run), 15)
    assert list(run.glob("work/chroot.*"))
    again = await asyncio.create_subprocess_exec(*worker_program.command(), start_new_session=True)
    await until(lambda: not run.exists(), 120)
    again.terminate()
    await again.wait()
