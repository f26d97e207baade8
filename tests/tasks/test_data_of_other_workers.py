"""The rules for the task_data of what other workers run (protocol.md §14.3, §14.5)."""

from typing import Any

import pytest

from debusine.plugin import InvalidFields, structure
from debusine.tasks import debusine_tasks
from tests.task_examples import (
    BINARY,
    EXAMPLES,
    IMAGE,
    LOG,
    SOURCE,
    TARBALL,
    TEMPLATE,
    UPLOAD,
    means_the_same_again,
)

TASKS = {task.name: task for task in debusine_tasks()}

REPOSITORY = {"url": "http://example.org/debian", "suite": "sid", "components": ["main"]}
DISK = EXAMPLES["simplesystemimagebuild"].data["disk_image"]
BOOTSTRAP = EXAMPLES["simplesystemimagebuild"].data
TESTED = {"source_artifact": SOURCE, "binary_artifacts": [BINARY]}

#: What may stand beside each example's own data.
GOOD: dict[str, list[dict[str, Any]]] = {
    "autopkgtest": [
        {"input": TESTED, "include_tests": ["a b"], "exclude_tests": [], "debug_level": 3},
        {"input": {"source_artifact": "1@artifacts", "binary_artifacts": {"collection": "x@y"}}},
        {"extra_repositories": [REPOSITORY, {"url": "https://example.org/flat", "suite": "./"}]},
        {"extra_repositories": None, "use_packages_from_base_repository": True},
        {"extra_environment": {"DEB_BUILD_OPTIONS": "nocheck", "EMPTY": ""}},
        {"fail_on": {"failed_test": False, "flaky_test": True, "skipped_test": True}, "needs_internet": "skip"},
        {"timeout": None},
        {"timeout": {"global": 0, "factor": 2, "short": 1, "install": None, "test": 1, "copy": 1}},
        {"timeout": {}},
        {"backend": "auto", "environment": TARBALL},
    ],
    "piuparts": [
        {"input": {"binary_artifacts": [BINARY, f"{UPLOAD}@artifacts"]}, "extra_repositories": [REPOSITORY]},
        {"base_tgz": "debian/match:codename=bookworm"},
    ],
    "blhc": [
        {"environment": None, "host_architecture": None, "backend": "incus-lxc"},
        {"extra_flags": ["--all", "--bindnow", "--buildd", "--color", "--debian", "--line-numbers", "--pie"]},
        {"extra_flags": []},
    ],
    "debdiff": [
        {"input": {"binary_artifacts": [[BINARY], [BINARY, TEMPLATE]], "source_artifacts": None}},
        {"input": {"binary_artifacts": [{"collection": "x@y"}, ["name"]]}},
        {"extra_flags": ["--dirs", "--nocontrol", "--wdiff-source-control", "--show-moved", "--diffstat"]},
        {"extra_flags": ["--apply-patches", "--ignore-space"]},
    ],
    "simplesystemimagebuild": [
        {"bootstrap_options": {"architecture": "amd64", "variant": variant}} for variant in (None, "buildd", "minbase")
    ]
    + [
        {"disk_image": {**DISK, "format": "raw", "filename": "disk-1", "kernel_package": "linux-image-amd64"}},
        {"disk_image": {**DISK, "bootloader": "systemd-boot", "kernel_package": None}},
        {"disk_image": {**DISK, "partitions": [{"size": 1, "filesystem": "fat32", "mountpoint": "/boot"}] * 4}},
        {"customization_script": "true"},
    ],
    "mergeuploads": [
        {"backend": "auto", "environment": None},
        {"backend": "unshare", "environment": "debian/match:codename=bookworm"},
        {"input": {"uploads": {"collection": "x@y", "category": "debian:upload"}}},
    ],
    "makesourcepackageupload": [
        {"since_version": "1:2.10-2", "target_distribution": "bookworm-backports", "host_architecture": "amd64"},
        {"since_version": None, "target_distribution": None},
    ],
    "extractforsigning": [{"backend": "auto", "host_architecture": "arm64"}],
    "assemblesignedsource": [{"backend": "auto", "signed": ["8@artifacts"], "host_architecture": None}],
}

#: A change of each example's data, and the place of the error.
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "autopkgtest": [
        ({"input": {"source_artifact": SOURCE}}, "input.binary_artifacts"),
        ({"input": {"binary_artifacts": [BINARY]}}, "input.source_artifact"),
        ({"input": {**TESTED, "binary_artifacts": BINARY}}, "input.binary_artifacts"),
        ({"input": {**TESTED, "binary_artifacts": "4@artifacts"}}, "input.binary_artifacts"),
        ({"input": {**TESTED, "context_artifacts": None}}, "input.context_artifacts"),
        ({"input": {**TESTED, "extra_binary_artifacts": []}}, "input"),
        ({"input": [SOURCE]}, "input"),
        ({"environment": None}, "environment"),
        ({"host_architecture": None}, "host_architecture"),
        ({"include_tests": "all"}, "include_tests"),
        ({"exclude_tests": [1]}, "exclude_tests[0]"),
        ({"debug_level": 4}, "debug_level"),
        ({"debug_level": -1}, "debug_level"),
        ({"debug_level": "1"}, "debug_level"),
        ({"debug_level": True}, "debug_level"),
        ({"use_packages_from_base_repository": "false"}, "use_packages_from_base_repository"),
        ({"extra_environment": {"A": 1}}, "extra_environment['A']"),
        ({"extra_environment": ["A=1"]}, "extra_environment"),
        ({"needs_internet": "never"}, "needs_internet"),
        ({"needs_internet": None}, "needs_internet"),
        ({"fail_on": {"failed_test": 1}}, "fail_on.failed_test"),
        ({"fail_on": {"failed_tests": True}}, "fail_on"),
        ({"fail_on": None}, "fail_on"),
        ({"timeout": {"global": -1}}, "timeout.global"),
        ({"timeout": {"test": "10"}}, "timeout.test"),
        ({"timeout": {"test": 1.5}}, "timeout.test"),
        ({"timeout": {"global_": 1}}, "timeout"),
        ({"timeout": 10}, "timeout"),
        ({"extra_repositories": [{**REPOSITORY, "suite": "sid/"}]}, "extra_repositories[0]"),
        ({"extra_repositories": [{**REPOSITORY, "components": []}]}, "extra_repositories[0]"),
        ({"extra_repositories": [{**REPOSITORY, "url": "example.org"}]}, "extra_repositories[0].url"),
        ({"extra_repositories": [{**REPOSITORY, "trusted": True}]}, "extra_repositories[0]"),
        ({"extra_repositories": REPOSITORY}, "extra_repositories"),
    ],
    "piuparts": [
        ({"input": {"binary_artifacts": []}}, "input.binary_artifacts"),
        ({"input": {}}, "input.binary_artifacts"),
        ({"base_tgz": None}, "base_tgz"),
        ({"base_tgz": [TARBALL]}, "base_tgz"),
        ({"host_architecture": None}, "host_architecture"),
        ({"environment": None}, "environment"),
    ],
    "blhc": [
        ({"input": {"artifact": None}}, "input.artifact"),
        ({"input": {"artifact": [LOG]}}, "input.artifact"),
        ({"input": {"artifact": LOG, "artifacts": []}}, "input"),
        ({"extra_flags": ["--verbose"]}, "extra_flags[0]"),
        ({"extra_flags": ["--all", "-all"]}, "extra_flags[1]"),
        ({"extra_flags": "--all"}, "extra_flags"),
        ({"extra_flags": None}, "extra_flags"),
        ({"extra_repositories": []}, "non_field_errors"),
    ],
    "debdiff": [
        ({"input": {}}, "input"),
        ({"input": {"source_artifacts": None, "binary_artifacts": None}}, "input"),
        ({"input": {"source_artifacts": [1, 2], "binary_artifacts": [[3], [3]]}}, "input"),
        ({"input": {"source_artifacts": [SOURCE]}}, "input.source_artifacts"),
        ({"input": {"source_artifacts": [1, 2, 3]}}, "input.source_artifacts"),
        ({"input": {"source_artifacts": [1, [2]]}}, "input.source_artifacts[1]"),
        ({"input": {"source_artifacts": [0, 1]}}, "input.source_artifacts"),
        ({"input": {"source_artifacts": 1}}, "input.source_artifacts"),
        ({"input": {"binary_artifacts": [BINARY, [BINARY]]}}, "input.binary_artifacts[0]"),
        ({"input": {"binary_artifacts": [[BINARY], []]}}, "input.binary_artifacts"),
        ({"input": {"binary_artifacts": [[BINARY]]}}, "input.binary_artifacts"),
        ({"input": {"binary_artifacts": {"collection": "x@y"}}}, "input.binary_artifacts"),
        ({"extra_flags": ["--all"]}, "extra_flags[0]"),
        ({"environment": None}, "environment"),
        ({"host_architecture": None}, "host_architecture"),
    ],
    "simplesystemimagebuild": [
        ({"bootstrap_options": {"architecture": "amd64", "variant": "apt"}}, "bootstrap_options.variant"),
        ({"disk_image": None}, "disk_image"),
        ({"disk_image": {**DISK, "format": "vmdk"}}, "disk_image.format"),
        ({"disk_image": {**DISK, "partitions": []}}, "disk_image.partitions"),
        ({"disk_image": {**DISK, "partitions": [{"size": 0, "filesystem": "ext4"}]}}, "disk_image.partitions[0].size"),
        ({"disk_image": {**DISK, "partitions": [{"size": 1}]}}, "disk_image.partitions[0].filesystem"),
        ({"disk_image": {**DISK, "filename": "../image"}}, "disk_image.filename"),
        ({"disk_image": {**DISK, "filename": ".."}}, "disk_image.filename"),
        ({"disk_image": {**DISK, "filename": ""}}, "disk_image.filename"),
        ({"disk_image": {**DISK, "kernel_package": "--purge"}}, "disk_image.kernel_package"),
        ({"disk_image": {**DISK, "size": 2}}, "disk_image"),
        ({"bootstrap_repositories": []}, "bootstrap_repositories"),
        ({"environment": IMAGE}, "non_field_errors"),
    ],
    "mergeuploads": [
        ({"input": {"uploads": []}}, "input.uploads"),
        ({"input": {"uploads": UPLOAD}}, "input.uploads"),
        ({"input": None}, "input"),
        ({"backend": "docker"}, "backend"),
        ({"environment": True}, "environment"),
        ({"host_architecture": "amd64"}, "non_field_errors"),
    ],
    "makesourcepackageupload": [
        ({"environment": None}, "environment"),
        ({"input": {"source_artifact": None}}, "input.source_artifact"),
        ({"since_version": 2}, "since_version"),
        ({"target_distribution": ["sid"]}, "target_distribution"),
    ],
    "extractforsigning": [
        ({"backend": "unshare"}, "backend"),
        ({"backend": None}, "backend"),
        ({"environment": None}, "environment"),
        ({"input": {"template_artifact": TEMPLATE}}, "input.binary_artifacts"),
        ({"input": {"template_artifact": TEMPLATE, "binary_artifacts": []}}, "input.binary_artifacts"),
        ({"input": {"template_artifact": [TEMPLATE], "binary_artifacts": [BINARY]}}, "input.template_artifact"),
    ],
    "assemblesignedsource": [
        ({"backend": "qemu"}, "backend"),
        ({"environment": None}, "environment"),
        ({"template": None}, "template"),
        ({"signed": []}, "signed"),
        ({"signed": "8@artifacts"}, "signed"),
        ({"input": {}}, "non_field_errors"),
    ],
}


def rows(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(task, change, id=f"{task}-{number}")
        for task, changes in table.items()
        for number, change in enumerate(changes)
    ]


@pytest.mark.parametrize(("task", "change"), rows(GOOD))
def test_what_the_protocol_allows_is_accepted(task: str, change: dict[str, Any]) -> None:
    data = {**EXAMPLES[task].data, **change}

    assert means_the_same_again(structure(data, TASKS[task].Data))


@pytest.mark.parametrize(("task", "change"), rows(BAD))
def test_what_the_protocol_forbids_is_refused_with_its_place(task: str, change: tuple[dict[str, Any], str]) -> None:
    values, path = change

    with pytest.raises(InvalidFields) as caught:
        structure({**EXAMPLES[task].data, **values}, TASKS[task].Data)
    assert list(caught.value.validation_errors or {}) == [path]


@pytest.mark.parametrize("task", EXAMPLES)
def test_a_key_that_no_task_has_is_refused(task: str) -> None:
    with pytest.raises(InvalidFields, match="Invalid fields: inputs"):
        structure({**EXAMPLES[task].data, "inputs": {}}, TASKS[task].Data)


@pytest.mark.parametrize("task", EXAMPLES)
def test_what_every_task_takes_is_taken(task: str) -> None:
    for number in (5, None):
        assert structure({**EXAMPLES[task].data, "task_configuration": number}, TASKS[task].Data)


@pytest.mark.parametrize("task", EXAMPLES)
@pytest.mark.parametrize("value", [None, True, 0, 1.5, "text", [], [[]], {}, {"a": {}}])
def test_no_value_of_any_key_is_more_than_refused(task: str, value: object) -> None:
    for key in EXAMPLES[task].data:
        try:
            data = structure({**EXAMPLES[task].data, key: value}, TASKS[task].Data)
        except InvalidFields:
            continue
        assert means_the_same_again(data), key


def test_a_message_is_not_as_long_as_what_it_is_about() -> None:
    with pytest.raises(InvalidFields) as caught:
        structure({**EXAMPLES["blhc"].data, "host_architecture": "x " * 30_000}, TASKS["blhc"].Data)

    (message,) = (caught.value.validation_errors or {})["host_architecture"]
    assert message.endswith("…' is not an architecture such as amd64.")
    assert len(message) < 300
