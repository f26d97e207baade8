"""Checks, with a program in lintian's place."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import DebusineError, Result, TaskFailure, structure
from debusine.tasks.lintian import Lintian
from debusine.tasks.lintian_data import LintianData
from debusine.tasks.lintian_report import ALL_SEVERITIES
from debusine.testing import FakeTaskContext
from debusine.testing.task_context import Call, Program

Hints = Sequence[Mapping[str, Any]]

ERROR = {"tag": "no-copyright-file", "visibility": "error", "experimental": False, "note": ""}
WARNING = {
    "tag": "no-manual-page",
    "visibility": "warning",
    "experimental": False,
    "note": "usr/bin/x",
    "pointer": {"item": {"index": "x", "name": "usr/bin/x"}, "line_position": 3},
}
OVERRIDDEN = {**ERROR, "override": {"justification": "because"}}
EXPERIMENTAL = {**WARNING, "experimental": True}
CLASSIFICATION = {**ERROR, "tag": "trimmed-field", "visibility": "classification"}


def says(**hints: Hints) -> Program:
    """A lintian that has these hints for the packages that it is given, by their endings."""

    def program(call: Call) -> int:
        names = [word for word in call.argv if word.endswith((".dsc", ".deb", ".udeb"))]
        files = [{"path": name, "hints": list(hints.get(name.rpartition(".")[2], []))} for name in names]
        groups = [{"group_id": "x_1", "source_name": "x", "source_version": "1", "input_files": files}]
        call.stdout.write_text(json.dumps({"groups": groups, "lintian_version": "2.116.3"}))
        return 0

    return program


def prints(text: str, returncode: int) -> Program:
    def program(call: Call) -> int:
        call.stdout.write_text(text)
        return returncode

    return program


def prepare(tmp_path: Path, program: Program, **options: Any) -> tuple[FakeTaskContext, Lintian]:
    (tmp_path / "work").mkdir()
    context = FakeTaskContext(directory=tmp_path / "work", programs={"lintian": program})
    source = context.add("debian:source-package", {}, {"x_1.dsc": b"dsc", "x_1.tar.xz": b"tar"})
    binaries = context.add("debian:binary-packages", {}, {"x_1_amd64.deb": b"deb", "x-doc_1_all.deb": b"doc"})
    upload = context.add("debian:upload", {}, {"x_1_amd64.deb": b"deb", "x_1_amd64.changes": b"changes"})
    data = {"input": {"source_artifact": source, "binary_artifacts": [binaries, upload]}, **options}
    dynamic = {"input_source_artifact_id": source, "input_binary_artifacts_ids": [binaries, upload]}
    return context, Lintian(structure(data, LintianData), dynamic)


@pytest.mark.parametrize(
    ("hints", "limit", "expected"),
    [
        ([], "error", Result.SUCCESS),
        ([ERROR], "error", Result.FAILURE),
        ([ERROR], "none", Result.SUCCESS),
        ([WARNING], "error", Result.SUCCESS),
        ([WARNING], "warning", Result.FAILURE),
        ([ERROR], "info", Result.FAILURE),
        ([OVERRIDDEN], "error", Result.SUCCESS),
        ([OVERRIDDEN], "experimental", Result.SUCCESS),
        ([OVERRIDDEN], "overridden", Result.FAILURE),
        ([EXPERIMENTAL], "warning", Result.SUCCESS),
        ([EXPERIMENTAL], "experimental", Result.FAILURE),
        ([CLASSIFICATION], "overridden", Result.SUCCESS),
    ],
)
async def test_the_findings_decide_not_the_exit_status(
    tmp_path: Path, hints: Hints, limit: str, expected: Result
) -> None:
    context, task = prepare(tmp_path, says(dsc=hints), fail_on_severity=limit)
    assert await task.run(context) is expected


async def test_every_architecture_has_an_analysis_that_relates_to_all_inputs(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, says(dsc=[WARNING, CLASSIFICATION], deb=[OVERRIDDEN]))
    await task.run(context)
    found = {upload.data["architecture"]: upload for upload in context.made("debian:lintian")}
    assert found.keys() == {"source", "amd64", "all"}
    assert context.relations == {(upload.id, target, "relates-to") for upload in found.values() for target in (1, 2, 3)}
    summary = found["source"].data["summary"]
    assert summary == {
        "tags_count_by_severity": {**dict.fromkeys(ALL_SEVERITIES, 0), "warning": 1, "classification": 1},
        "package_filename": {"x": "x_1.dsc"},
        "tags_found": ["no-manual-page"],
        "overridden_tags_found": [],
        "lintian_version": "2.116.3",
        "distribution": "debian:unstable",
    }
    assert found["all"].data["summary"]["overridden_tags_found"] == ["no-copyright-file"]
    assert found["source"].files["lintian.txt"] == b"W: x source: no-manual-page usr/bin/x [usr/bin/x:3]\n"
    assert found["all"].files["lintian.txt"] == b"O: x-doc: no-copyright-file\n"
    assert json.loads(found["source"].files["analysis.json"])["tags"][0]["tag"] == "no-manual-page"


async def test_what_is_not_asked_for_is_not_told_and_decides_nothing(tmp_path: Path) -> None:
    output = {"source_analysis": False, "binary_all_analysis": False}
    context, task = prepare(tmp_path, says(dsc=[ERROR]), output=output)
    assert await task.run(context) is Result.SUCCESS
    assert [upload.data["architecture"] for upload in context.uploads] == ["amd64"]


@pytest.mark.parametrize("options", [{"include_tags": ["no-manual-page"]}, {"exclude_tags": ["no-copyright-file"]}])
async def test_tags_can_be_left_out(tmp_path: Path, options: dict[str, Any]) -> None:
    context, task = prepare(tmp_path, says(dsc=[ERROR, WARNING]), **options)
    assert await task.run(context) is Result.SUCCESS
    assert context.uploads[-1].data["summary"]["tags_found"] == ["no-manual-page"]


async def test_the_machines_lintian_runs_in_the_sandbox_and_looks_at_each_package_once(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, says(), target_distribution="kali:rolling")
    await task.run(context)
    (call,) = context.calls
    assert call.sandbox
    assert "--profile=kali" in call.argv
    packages = call.argv[call.argv.index("--") + 1 :]
    assert sorted(packages) == ["input/1/x_1.dsc", "input/2/x-doc_1_all.deb", "input/3/x_1_amd64.deb"]


@pytest.mark.parametrize("text", ["", "not json", "{}", '{"groups": 1, "lintian_version": "2"}', "[]"])
@pytest.mark.parametrize("returncode", [0, 1, 2])
async def test_no_report_is_an_error_whatever_the_exit_status(tmp_path: Path, text: str, returncode: int) -> None:
    context, task = prepare(tmp_path, prints(text, returncode))
    with pytest.raises(DebusineError, match=f"ended with {returncode} and left no report") as caught:
        await task.run(context)
    assert not isinstance(caught.value, TaskFailure)


async def test_a_package_that_lintian_skips_is_an_error(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, prints('{"groups": [], "lintian_version": "2"}', 0))
    with pytest.raises(DebusineError, match="cannot read these files as packages"):
        await task.run(context)


async def test_inputs_without_packages_are_the_submitters_fault(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, says())
    for _, files in context.artifacts.values():
        files.clear()
    context.artifacts = {
        id_: (type(facts)(id=id_, category="x", data={}), {}) for id_, (facts, _) in context.artifacts.items()
    }
    with pytest.raises(TaskFailure, match=r"no .dsc"):
        await task.run(context)


async def test_in_an_environment_lintian_is_installed_with_network_and_runs_without(tmp_path: Path) -> None:
    def enter(call: Call) -> int:
        return says()(call) if "lintian" in call.argv and "install" not in call.argv else 0

    context, task = prepare(tmp_path, says())
    image = context.add("debian:system-tarball", {"filename": "system.tar.xz"}, {"system.tar.xz": b"image"})
    context.programs = {"unshare": enter}
    task.found = type(task.found)(input_source_artifact_id=1, environment_id=image)
    assert await task.run(context) is Result.SUCCESS
    give, unpack, update, install, check = (call.argv for call in context.calls)
    assert "chown" in give
    assert "tar" in unpack
    assert context.calls[1].stdin is not None
    assert ("update" in update, "install" in install) == (True, True)
    assert ("--unshare-net" in install, "--unshare-net" in check) == (False, True)
    assert "setpriv" in check
