"""Builds, with a program in sbuild's place."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import InvalidFields, Result, TaskFailure, structure
from debusine.tasks import executors
from debusine.tasks.sbuild import Sbuild
from debusine.tasks.sbuild_data import SbuildData
from debusine.tasks.sbuild_log import BuildSummary
from debusine.testing import FakeTaskContext
from debusine.testing.task_context import Call, Program
from tests.debian_packages import SourcePackage

IMAGE_DATA = {"filename": "system.tar.xz", "codename": "bookworm", "architecture": "amd64"}


def ends(returncode: int, status: str | None, stage: str | None = None) -> Program:
    """An sbuild that ends like this, and leaves nothing."""

    def program(call: Call) -> int:
        summary = [f"Status: {status}"] * (status is not None) + [f"Fail-Stage: {stage}"] * (stage is not None)
        call.stdout.write_text("\n".join(["Status: successful", "", "Summary", *summary, "Version: 1.0", ""]))
        return returncode

    return program


def prepare(tmp_path: Path, program: Program, **options: Any) -> tuple[FakeTaskContext, Sbuild]:
    work = tmp_path / "work"
    work.mkdir()
    context = FakeTaskContext(directory=work, programs={"sbuild": program})
    directory = tmp_path / "package"
    SourcePackage().write(directory)
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    source = context.add("debian:source-package", {"name": "tiny-nodh", "version": "1:1.0"}, files)
    image = context.add("debian:system-tarball", IMAGE_DATA, {"system.tar.xz": b"image"})
    data = {"input": {"source_artifact": source}, "host_architecture": "amd64", "environment": image, **options}
    dynamic = {"input_source_artifact_id": source, "environment_id": image, "input_extra_binary_artifacts_ids": []}
    if options.get("input"):
        dynamic["input_extra_binary_artifacts_ids"] = [context.add("debian:upload", {}, {"extra_1_all.deb": b"deb"})]
    return context, Sbuild(structure(data, SbuildData), dynamic)


@pytest.mark.parametrize(
    ("returncode", "status", "stage", "expected"),
    [
        (0, "skipped", None, Result.FAILURE),
        (0, None, None, Result.SUCCESS),
        (2, "attempted", "build", Result.FAILURE),
        (3, "given-back", "install-deps", Result.FAILURE),
        (1, "failed", "create-session", Result.ERROR),
        (1, "failed", "apt-get-update", Result.ERROR),
        (1, "failed", "unpack", Result.FAILURE),
        (1, "failed", "arch-check", Result.FAILURE),
        (1, "failed", None, Result.ERROR),
        (-9, None, None, Result.ERROR),
        (255, "successful", None, Result.ERROR),
    ],
)
def test_the_exit_status_and_the_summary_decide(
    tmp_path: Path, returncode: int, status: str | None, stage: str | None, expected: Result
) -> None:
    log = tmp_path / "log"
    call = Call(argv=(), log="log", cwd=tmp_path, env={}, stdin=None, stdout=log, sandbox=False)
    ends(returncode, status, stage)(call)
    assert BuildSummary.read(log).result(returncode) is expected


def test_a_log_without_a_summary_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    assert BuildSummary.read(tmp_path / "log").result(0) is Result.FAILURE


def test_a_summary_is_found_at_the_end_of_a_long_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff" * (1 << 20) + b"\nStatus: attempted\n")
    assert BuildSummary.read(tmp_path / "log").status == "attempted"


async def test_a_failed_build_keeps_its_log_alone(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, ends(2, "attempted", "build"))
    assert await task.run(context) is Result.FAILURE
    (log,) = context.uploads
    assert log.category == "debian:package-build-log"
    assert log.data == {
        "source": "tiny-nodh",
        "version": "1:1.0",
        "filename": "tiny-nodh_1.0_amd64.build",
        "architecture": "amd64",
    }
    assert list(log.files) == ["tiny-nodh_1.0_amd64.build"]
    assert context.relations == {(log.id, 1, "relates-to")}


async def test_sbuild_is_told_what_to_build_and_where(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, ends(2, "attempted"), build_components=["any", "source"])
    await task.run(context)
    (call,) = context.calls
    assert call.argv[0] == "sbuild"
    assert call.argv[-1] == "../source/tiny-nodh_1.0.dsc"
    assert {"--chroot-mode=unshare", "--dist=bookworm", "--build=amd64", "--host=amd64"} < set(call.argv)
    assert {"--arch-any", "--no-arch-all", "--source"} < set(call.argv)
    settings = Path(call.env["SBUILD_CONFIG"]).read_text()
    assert f"$unshare_tmpdir_template = '{context.directory}/chroot.XXXXXXXXXX';" in settings


async def test_everything_that_can_be_asked_for_reaches_sbuild(tmp_path: Path) -> None:
    repository = {"url": "http://example.org/d", "suite": "sid", "components": ["main", "x"], "signing_key": "KEY"}
    context, task = prepare(
        tmp_path,
        ends(2, "attempted"),
        input={"source_artifact": 1, "extra_binary_artifacts": [3]},
        host_architecture="arm64",
        build_profiles=["nocheck", "cross"],
        build_dep_resolver="aspcud",
        aspcud_criteria="-new",
        extra_repositories=[repository],
        binnmu={
            "changelog": "Rebuild for $x; `y`",
            "suffix": "+b1",
            "timestamp": "2026-01-01T00:00:00Z",
            "maintainer": "A B <a@example.org>",
        },
    )
    await task.run(context)
    argv = set(context.calls[0].argv)
    assert {"--build=amd64", "--host=arm64", "--profiles=nocheck,cross", "--build-dep-resolver=aspcud"} < argv
    assert {"--aspcud-criteria=-new", "--extra-repository=deb http://example.org/d sid main x"} < argv
    assert {"--make-binNMU=Rebuild for $x; `y`", "--append-to-version=+b1", "--binNMU=0"} < argv
    assert {"--binNMU-timestamp=1767225600", "--maintainer=A B <a@example.org>"} < argv
    assert "--extra-package=../extra/3/extra_1_all.deb" in argv
    (key,) = (word.partition("=")[2] for word in argv if word.startswith("--extra-repository-key="))
    assert Path(key).read_text() == "KEY"


async def test_a_source_without_a_dsc_is_the_submitters_fault(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, ends(0, "successful"))
    context.artifacts[1][1].clear()
    with pytest.raises(TaskFailure, match=r"0 files with the ending .dsc"):
        await task.run(context)


def test_a_task_without_its_inputs_cannot_be_made() -> None:
    data = {"input": {"source_artifact": 1}, "host_architecture": "amd64", "environment": 1}
    with pytest.raises(InvalidFields, match="input_source_artifact_id"):
        Sbuild(structure(data, SbuildData), {})


@pytest.mark.parametrize(
    ("program", "package"),
    [("sbuild", "sbuild"), ("xz", "xz-utils"), ("ip", "iproute2"), ("mount", "mount")],
)
def test_a_program_that_is_not_there_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, program: str, package: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else f"/usr/bin/{name}")
    monkeypatch.setattr(executors, "unshare_problems", list)
    monkeypatch.setattr(executors, "sandbox_problems", list)

    command = f"sudo apt-get install --no-install-recommends {package}"
    assert Sbuild.problems() == [f"{program} is not installed; run: {command}"]
