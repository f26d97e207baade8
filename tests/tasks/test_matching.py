"""What tasks demand of workers, and what they make of their lookups."""

from typing import Any

import pytest

from debusine.plugin import ArtifactFacts, Demand, Task, UnresolvedLookup, structure
from debusine.tasks import debusine_tasks
from debusine.testing import MemoryLookups
from tests.tasks.test_task_data import BOOTSTRAP, LINTIAN, SBUILD

TASKS = {task.name: task for task in debusine_tasks()}

METADATA = {
    "system:worker_type": "external",
    "system:architectures": ["amd64", "i386"],
    "noop:version": 1,
    "sbuild:version": 1,
    "sbuild:available": True,
    "mmdebstrap:version": 1,
    "mmdebstrap:available": True,
    "lintian:version": 1,
    "lintian:available": True,
    "executor:unshare:available": True,
}

SOURCE = ArtifactFacts(id=1, category="debian:source-package", data={"name": "hello", "version": "1"})
TARBALL = ArtifactFacts(
    id=2,
    category="debian:system-tarball",
    data={"filename": "system.tar.xz", "codename": "bookworm", "architecture": "amd64"},
    files={"system.tar.xz": 9},
)
BINARIES = ArtifactFacts(id=3, category="debian:binary-packages", data={"srcpkg_name": "hello"})
LOOKUPS = MemoryLookups([SOURCE, TARBALL, BINARIES])


def demand(task: str, data: dict[str, Any]) -> Demand:
    return TASKS[task].demand(structure(data, TASKS[task].Data))


def resolve(task: str, data: dict[str, Any]) -> dict[str, Any]:
    return TASKS[task].resolve(structure(data, TASKS[task].Data), LOOKUPS)


@pytest.mark.parametrize(
    ("task", "data", "architecture", "requires"),
    [
        ("noop", {}, None, ()),
        ("sbuild", SBUILD, "amd64", ("sbuild:available", "executor:unshare:available")),
        (
            "sbuild",
            {**SBUILD, "backend": "qemu"},
            "amd64",
            ("sbuild:available", "executor:qemu:available", "autopkgtest:available"),
        ),
        ("mmdebstrap", BOOTSTRAP, "amd64", ("mmdebstrap:available",)),
        ("lintian", LINTIAN, None, ("lintian:available",)),
        (
            "lintian",
            {**LINTIAN, "environment": 2, "host_architecture": "i386"},
            "i386",
            ("executor:unshare:available",),
        ),
    ],
)
def test_a_task_demands_what_the_protocol_says(
    task: str, data: dict[str, Any], architecture: str | None, requires: tuple[str, ...]
) -> None:
    found = demand(task, data)
    assert (found.task_name, found.version) == (task, 1)
    assert (found.architecture, found.requires) == (architecture, requires)


@pytest.mark.parametrize(("task", "data"), [("sbuild", SBUILD), ("mmdebstrap", BOOTSTRAP), ("lintian", LINTIAN)])
def test_a_worker_with_everything_can_run_it(task: str, data: dict[str, Any]) -> None:
    assert TASKS[task].can_run_on(METADATA, demand(task, data)).fits


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ({"sbuild:version": 2}, "version"),
        ({"sbuild:available": False}, "sbuild:available"),
        ({"executor:unshare:available": False}, "executor:unshare:available"),
        ({"system:architectures": ["arm64"]}, "amd64"),
        ({"system:worker_type": "signing"}, "signing"),
    ],
)
def test_a_worker_that_lacks_something_is_told_what(missing: dict[str, Any], reason: str) -> None:
    verdict = TASKS["sbuild"].can_run_on({**METADATA, **missing}, demand("sbuild", SBUILD))
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_another_backend_than_unshare_is_run_by_none_of_our_workers() -> None:
    verdict = TASKS["sbuild"].can_run_on(METADATA, demand("sbuild", {**SBUILD, "backend": "incus-lxc"}))
    assert any("executor:incus-lxc:available" in reason for reason in verdict.reasons)


def test_a_build_finds_its_source_and_its_environment() -> None:
    assert resolve("sbuild", {**SBUILD, "build_components": ["any", "all"]}) == {
        "input_source_artifact_id": 1,
        "input_extra_binary_artifacts_ids": [],
        "environment_id": 2,
        "subject": "hello",
        "configuration_context": "bookworm",
        "runtime_context": "all+any:amd64:amd64",
    }


def test_a_shortened_build_is_compared_with_no_other() -> None:
    assert "runtime_context" not in resolve("sbuild", {**SBUILD, "build_profiles": ["nocheck"]})


def test_a_rebuild_has_a_maintainer() -> None:
    binnmu = {"changelog": "Rebuild", "suffix": "+b1"}
    assert resolve("sbuild", {**SBUILD, "binnmu": binnmu})["binnmu_maintainer"].startswith("Debusine <noreply@")


def test_a_check_finds_its_inputs() -> None:
    data = {"input": {"source_artifact": 1, "binary_artifacts": [3]}, "environment": 2}
    assert resolve("lintian", data) == {
        "input_source_artifact_id": 1,
        "input_binary_artifacts_ids": [3],
        "environment_id": 2,
        "subject": "hello",
        "runtime_context": "binary-all+binary-any+source:bookworm",
        "configuration_context": "bookworm",
    }


def test_an_environment_is_labelled_by_what_it_is() -> None:
    assert resolve("mmdebstrap", BOOTSTRAP) == {
        "subject": "bookworm",
        "runtime_context": "amd64::",
        "configuration_context": "amd64",
    }


@pytest.mark.parametrize(
    ("task", "data"),
    [
        ("sbuild", {**SBUILD, "input": {"source_artifact": 3}}),
        ("sbuild", {**SBUILD, "environment": 1}),
        ("sbuild", {**SBUILD, "environment": 99}),
        ("sbuild", {**SBUILD, "backend": "qemu"}),
        ("lintian", {"input": {"source_artifact": 2}}),
        ("noop", {"task_configuration": "mine@debusine:task-configuration"}),
    ],
)
def test_what_does_not_fit_cannot_be_resolved(task: str, data: dict[str, Any]) -> None:
    with pytest.raises(UnresolvedLookup):
        resolve(task, data)


def test_an_environment_without_its_file_cannot_be_resolved() -> None:
    empty = ArtifactFacts(id=2, category=TARBALL.category, data=TARBALL.data)
    task: type[Task[Any]] = TASKS["sbuild"]
    with pytest.raises(UnresolvedLookup, match="filename"):
        task.resolve(structure(SBUILD, task.Data), MemoryLookups([SOURCE, empty]))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_tells_what_this_machine_can_do(task: str) -> None:
    facts = TASKS[task].metadata()
    assert facts[f"{task}:version"] == 1
    if task != "noop":
        assert facts[f"{task}:available"] is (not TASKS[task].problems())
