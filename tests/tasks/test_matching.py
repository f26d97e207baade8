"""What tasks demand of workers, and what they make of their lookups (protocol.md §14.2, §14.5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from debusine.plugin import (
    ArtifactFacts,
    DebusineError,
    Demand,
    Invalid,
    NotRunHere,
    RelationType,
    RunElsewhere,
    UnresolvedLookup,
    structure,
)
from debusine.tasks import debusine_tasks
from debusine.tasks.executors import IMAGE_CATEGORIES
from debusine.testing import FakeTaskContext, MemoryLookups
from tests.task_examples import (
    ARTIFACTS,
    BINARY,
    EXAMPLES,
    IMAGE,
    LOG,
    NEWER_SOURCE,
    OTHER_UPLOAD,
    RELATIONS,
    SIGNATURES,
    SOURCE,
    TARBALL,
    TEMPLATE,
    UPLOAD,
    fitting_metadata,
    lookups,
)

TASKS = {task.name: task for task in debusine_tasks()}
ELSEWHERE = sorted(name for name, task in TASKS.items() if issubclass(task, RunElsewhere))
WITH_ENVIRONMENT = sorted(name for name, example in EXAMPLES.items() if "environment_id" in example.dynamic)

#: All that workers of any make can report.
METADATA = {
    "system:worker_type": "external",
    "system:host_architecture": "amd64",
    "system:architectures": ["amd64", "i386"],
    **{f"{name}:version": 1 for name in TASKS},
    **{f"executor:{name}:available": True for name in IMAGE_CATEGORIES},
    **{f"{name}:available": True for name in ("sbuild", "autopkgtest", "mmdebstrap", "simplesystemimagebuild")},
}


def example(task: str, **changes: Any) -> dict[str, Any]:
    return {**EXAMPLES[task].data, **changes}


def demand(task: str, data: Mapping[str, Any]) -> Demand:
    return TASKS[task].demand(structure(data, TASKS[task].Data))


def resolve(task: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return TASKS[task].resolve(structure(data, TASKS[task].Data), lookups())


@pytest.mark.parametrize("task", EXAMPLES)
def test_a_task_demands_what_the_protocol_says(task: str) -> None:
    wanted = EXAMPLES[task]

    assert demand(task, wanted.data) == Demand(
        task_name=task, version=1, architecture=wanted.architecture, requires=wanted.requires
    )


@pytest.mark.parametrize(
    ("task", "changes", "architecture", "requires"),
    [
        ("sbuild", {"backend": "auto"}, "amd64", ("sbuild:available", "executor:unshare:available")),
        (
            "sbuild",
            {"backend": "qemu"},
            "amd64",
            ("sbuild:available", "executor:qemu:available", "autopkgtest:available"),
        ),
        ("autopkgtest", {"backend": "auto"}, "amd64", ("autopkgtest:available", "executor:unshare:available")),
        ("autopkgtest", {"backend": "incus-lxc"}, "amd64", ("autopkgtest:available", "executor:incus-lxc:available")),
        ("lintian", {"environment": None, "host_architecture": None}, None, ("lintian:available",)),
        ("lintian", {"host_architecture": "i386"}, "i386", ("executor:unshare:available",)),
        ("piuparts", {"backend": "qemu", "host_architecture": "i386"}, "i386", ()),
        ("blhc", {"backend": "incus-vm", "host_architecture": "arm64"}, "arm64", ()),
        ("debdiff", {"backend": "incus-vm"}, "amd64", ()),
        ("makesourcepackageupload", {"backend": "incus-vm"}, None, ()),
        ("extractforsigning", {"host_architecture": "amd64"}, "amd64", ("executor:unshare:available",)),
    ],
)
def test_the_backend_and_the_architecture_change_the_demand(
    task: str, changes: dict[str, Any], architecture: str | None, requires: tuple[str, ...]
) -> None:
    found = demand(task, example(task, **changes))

    assert (found.architecture, found.requires) == (architecture, requires)


@pytest.mark.parametrize("task", EXAMPLES)
def test_a_worker_with_everything_can_run_it(task: str) -> None:
    assert TASKS[task].can_run_on(METADATA, demand(task, EXAMPLES[task].data)).fits


@pytest.mark.parametrize("task", EXAMPLES)
def test_every_single_thing_that_is_missing_is_the_only_reason(task: str) -> None:
    found = demand(task, EXAMPLES[task].data)
    changes: dict[str, Any] = {
        f"{task}:version": 2,
        "system:worker_type": "signing",
        "system:architectures": ["riscv64"],
        **dict.fromkeys(found.requires, False),
    }

    for key, value in changes.items():
        verdict = TASKS[task].can_run_on({**METADATA, key: value}, found)
        words = {"system:worker_type": "signing", "system:architectures": "amd64", f"{task}:version": "version"}
        assert len(verdict.reasons) == 1, key
        assert words.get(key, key) in verdict.reasons[0]


def test_a_worker_that_never_heard_of_a_task_is_told_so() -> None:
    verdict = TASKS["blhc"].can_run_on({"sbuild:version": 1}, demand("blhc", EXAMPLES["blhc"].data))

    assert verdict.reasons == ("it does not offer blhc",)


@pytest.mark.parametrize("value", [None, "true", 1, []])
def test_available_means_true_and_nothing_else(value: Any) -> None:
    verdict = TASKS["sbuild"].can_run_on(
        {**METADATA, "sbuild:available": value}, demand("sbuild", EXAMPLES["sbuild"].data)
    )

    assert verdict.reasons == ("it does not report sbuild:available",)


def test_without_an_architecture_the_workers_own_one_must_be_among_those_that_it_can_run() -> None:
    found = demand("noop", {})

    assert TASKS["noop"].can_run_on({"noop:version": 1}, found).fits
    verdict = TASKS["noop"].can_run_on({**METADATA, "system:host_architecture": "arm64"}, found)
    assert verdict.reasons == ("it cannot run arm64",)


@pytest.mark.parametrize("task", EXAMPLES)
def test_the_worker_is_told_what_the_protocol_says_and_not_a_key_more(task: str) -> None:
    assert resolve(task, EXAMPLES[task].data) == EXAMPLES[task].dynamic


@pytest.mark.parametrize("task", EXAMPLES)
def test_what_is_demanded_is_enough(task: str) -> None:
    assert TASKS[task].can_run_on(fitting_metadata(task), demand(task, EXAMPLES[task].data)).fits


def test_components_and_profiles_label_a_build() -> None:
    assert resolve("sbuild", example("sbuild", build_components=["any", "all"]))["runtime_context"] == (
        "all+any:amd64:amd64"
    )
    assert resolve("sbuild", example("sbuild", build_components=["source", "all"]))["runtime_context"] == (
        "all+source:amd64:all"
    )
    assert resolve("sbuild", example("sbuild", build_components=["source"]))["runtime_context"] == (
        "source:amd64:source"
    )
    assert "runtime_context" not in resolve("sbuild", example("sbuild", build_profiles=["nocheck"]))


def test_a_rebuild_has_a_maintainer() -> None:
    binnmu = {"changelog": "Rebuild", "suffix": "+b1"}

    assert resolve("sbuild", example("sbuild", binnmu=binnmu))["binnmu_maintainer"].startswith("Debusine <noreply@")


def test_two_sets_of_binaries_are_compared() -> None:
    data = example("debdiff", input={"binary_artifacts": [[BINARY, TEMPLATE], [f"{BINARY}@artifacts"]]})

    found = resolve("debdiff", data)

    assert found["input_binary_artifacts_ids"] == [[BINARY, TEMPLATE], [BINARY]]
    assert found["subject"] == "binary:hello"
    assert "input_source_artifacts_ids" not in found


def test_two_uploads_are_compared() -> None:
    data = example("debdiff", input={"binary_artifacts": [[UPLOAD], [OTHER_UPLOAD]]})

    assert resolve("debdiff", data)["input_binary_artifacts_ids"] == [[UPLOAD], [OTHER_UPLOAD]]


@pytest.mark.parametrize("sides", [[[BINARY], [UPLOAD]], [[UPLOAD, OTHER_UPLOAD], [UPLOAD]]])
def test_what_cannot_be_compared_is_refused(sides: list[list[int]]) -> None:
    with pytest.raises(Invalid, match="cannot be compared") as caught:
        resolve("debdiff", example("debdiff", input={"binary_artifacts": sides}))

    assert list(caught.value.validation_errors or {}) == ["input.binary_artifacts"]


def test_packages_that_are_named_twice_are_signed_once() -> None:
    data = example("extractforsigning")
    data["input"] = {"template_artifact": TEMPLATE, "binary_artifacts": [BINARY, UPLOAD, BINARY]}

    assert resolve("extractforsigning", data)["input_binary_artifacts_ids"] == [BINARY, TEMPLATE]


def test_an_upload_without_packages_cannot_be_signed() -> None:
    data = example("extractforsigning")
    data["input"] = {"template_artifact": TEMPLATE, "binary_artifacts": [OTHER_UPLOAD]}

    with pytest.raises(UnresolvedLookup, match="extends no debian:binary-package"):
        resolve("extractforsigning", data)


def test_an_upload_of_other_things_cannot_be_signed() -> None:
    data = structure(EXAMPLES["extractforsigning"].data, TASKS["extractforsigning"].Data)
    relations = [(UPLOAD, SOURCE, RelationType.EXTENDS), (UPLOAD, BINARY, RelationType.RELATES_TO)]

    with pytest.raises(UnresolvedLookup, match="extends no debian:binary-package"):
        TASKS["extractforsigning"].resolve(data, MemoryLookups(ARTIFACTS, relations=relations))


@pytest.mark.parametrize(
    ("task", "field", "value", "path"),
    [
        ("sbuild", "input", {"source_artifact": UPLOAD}, "input.source_artifact"),
        ("sbuild", "input", {"source_artifact": SOURCE, "extra_binary_artifacts": [BINARY, SOURCE]}, None),
        ("sbuild", "environment", IMAGE, "environment"),
        ("sbuild", "backend", "qemu", "environment"),
        ("sbuild", "environment", 99, "environment"),
        ("lintian", "input", {"source_artifact": BINARY}, "input.source_artifact"),
        ("lintian", "input", {"binary_artifacts": [SOURCE]}, "input.binary_artifacts[0]"),
        ("autopkgtest", "input", {"source_artifact": BINARY, "binary_artifacts": []}, "input.source_artifact"),
        ("autopkgtest", "input", {"source_artifact": SOURCE, "binary_artifacts": [LOG]}, "input.binary_artifacts[0]"),
        (
            "autopkgtest",
            "input",
            {"source_artifact": SOURCE, "binary_artifacts": [], "context_artifacts": [SOURCE]},
            "input.context_artifacts[0]",
        ),
        ("autopkgtest", "backend", "unshare", "environment"),
        ("piuparts", "base_tgz", IMAGE, "base_tgz"),
        ("piuparts", "input", {"binary_artifacts": [BINARY, SOURCE]}, "input.binary_artifacts[1]"),
        ("blhc", "input", {"artifact": SOURCE}, "input.artifact"),
        ("blhc", "environment", LOG, "environment"),
        ("debdiff", "input", {"source_artifacts": [SOURCE, UPLOAD]}, "input.source_artifacts[1]"),
        ("debdiff", "input", {"binary_artifacts": [[BINARY], [BINARY, 99]]}, "input.binary_artifacts[1][1]"),
        ("mergeuploads", "input", {"uploads": [UPLOAD, BINARY]}, "input.uploads[1]"),
        ("makesourcepackageupload", "input", {"source_artifact": UPLOAD}, "input.source_artifact"),
        (
            "extractforsigning",
            "input",
            {"template_artifact": UPLOAD, "binary_artifacts": [BINARY]},
            "input.template_artifact",
        ),
        (
            "extractforsigning",
            "input",
            {"template_artifact": TEMPLATE, "binary_artifacts": [SOURCE]},
            "input.binary_artifacts[0]",
        ),
        ("extractforsigning", "environment", IMAGE, "environment"),
        ("assemblesignedsource", "template", SOURCE, "template"),
        ("assemblesignedsource", "signed", [SIGNATURES, LOG], "signed[1]"),
        ("noop", "task_configuration", "mine@debusine:task-configuration", "task_configuration"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(task: str, field: str, value: Any, path: str | None) -> None:
    with pytest.raises(UnresolvedLookup) as caught:
        resolve(task, example(task, **{field: value}))

    assert list(caught.value.validation_errors or {}) == [path or "input.extra_binary_artifacts[1]"]


@pytest.mark.parametrize("task", EXAMPLES)
def test_a_task_configuration_that_is_asked_for_must_exist(task: str) -> None:
    resolve(task, example(task, task_configuration=None))
    resolve(task, example(task, task_configuration="default@debusine:task-configuration"))
    for asked in ("mine@debusine:task-configuration", 7, ""):
        with pytest.raises(UnresolvedLookup, match="no task configurations"):
            resolve(task, example(task, task_configuration=asked))


@pytest.mark.parametrize("task", WITH_ENVIRONMENT)
def test_an_environment_without_its_file_is_refused(task: str) -> None:
    bare = [attrs.evolve(artifact, files={"other": 1}) for artifact in ARTIFACTS]

    with pytest.raises(UnresolvedLookup, match="filename"):
        TASKS[task].resolve(structure(EXAMPLES[task].data, TASKS[task].Data), MemoryLookups(bare, relations=RELATIONS))


def test_data_of_artifacts_that_say_little_leaves_labels_out() -> None:
    source = ArtifactFacts(id=SOURCE, category="debian:source-package", data={})
    newer = ArtifactFacts(id=NEWER_SOURCE, category="debian:source-package", data={})
    image = ArtifactFacts(id=TARBALL, category="debian:system-tarball", data={"filename": "a"}, files={"a": 1})
    data = structure(EXAMPLES["makesourcepackageupload"].data, TASKS["makesourcepackageupload"].Data)

    found = TASKS["makesourcepackageupload"].resolve(data, MemoryLookups([source, newer, image]))

    assert found == {"input_source_artifact_id": SOURCE, "environment_id": TARBALL}


@pytest.mark.parametrize("task", sorted(TASKS.keys() - set(ELSEWHERE)))
def test_a_task_tells_what_this_machine_can_do(task: str) -> None:
    facts = TASKS[task].metadata()
    assert facts[f"{task}:version"] == 1
    if task != "noop":
        assert facts[f"{task}:available"] is (not TASKS[task].problems())


@pytest.mark.parametrize("task", ELSEWHERE)
async def test_a_task_of_other_workers_says_so_when_it_is_run_here(task: str, tmp_path: Path) -> None:
    made = TASKS[task](structure(EXAMPLES[task].data, TASKS[task].Data), EXAMPLES[task].dynamic)

    with pytest.raises(NotRunHere, match=f"This worker cannot run {task}: A debusine-worker of Debian's own") as caught:
        await made.run(FakeTaskContext(directory=tmp_path))
    assert isinstance(caught.value, DebusineError)
