"""One work request of every task, with the artifacts that it names and what a server makes of it."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from debusine.converter.json import dumps
from debusine.converter.structure import unstructure
from debusine.plugin import ArtifactFacts, RelationType, structure
from debusine.testing import MemoryLookups

TARBALL_DATA = {
    "filename": "system.tar.xz",
    "vendor": "debian",
    "codename": "bookworm",
    "mirror": "http://mirror.example/debian",
    "components": ["main"],
    "variant": "buildd",
    "pkglist": {"base-files": "12.4"},
    "architecture": "amd64",
    "with_dev": True,
    "with_init": False,
}
IMAGE_DATA = {
    **TARBALL_DATA,
    "filename": "image.qcow2",
    "image_format": "qcow2",
    "filesystem": "ext4",
    "size": 2_000_000_000,
    "boot_mechanism": "efi",
}
DSC = {"Source": "hello", "Files": [{"name": "hello_2.10.orig.tar.gz"}]}
CHANGES = {"Source": "hello (2.10-3)", "Architecture": "amd64", "Files": [{"name": "hello_2.10-3_amd64.deb"}]}
BINARY_DATA = {
    "srcpkg_name": "hello",
    "srcpkg_version": "2.10-3",
    "deb_fields": {"Package": "hello"},
    "deb_control_files": ["control"],
}
SOURCE_DATA = {"name": "hello", "version": "2.10-3", "type": "dpkg", "dsc_fields": DSC}

SOURCE, NEWER_SOURCE, BINARY, TEMPLATE, UPLOAD, OTHER_UPLOAD, LOG, SIGNATURES, TARBALL, IMAGE = range(1, 11)


def _artifact(id_: int, category: str, data: Mapping[str, Any], *files: str) -> ArtifactFacts:
    return ArtifactFacts(id=id_, category=category, data=data, files=dict.fromkeys(files, 4))


#: By id, from 1 on.
ARTIFACTS = (
    _artifact(SOURCE, "debian:source-package", SOURCE_DATA, "hello_2.10-3.dsc", "hello_2.10.orig.tar.gz"),
    _artifact(
        NEWER_SOURCE,
        "debian:source-package",
        {**SOURCE_DATA, "version": "2.10-4"},
        "hello_2.10-4.dsc",
        "hello_2.10.orig.tar.gz",
    ),
    _artifact(BINARY, "debian:binary-package", BINARY_DATA, "hello_2.10-3_amd64.deb"),
    _artifact(TEMPLATE, "debian:binary-package", BINARY_DATA, "hello-signed-template_2.10-3_amd64.deb"),
    _artifact(
        UPLOAD,
        "debian:upload",
        {"type": "dpkg", "changes_fields": CHANGES},
        "hello_2.10-3_amd64.changes",
        "hello_2.10-3_amd64.deb",
    ),
    _artifact(
        OTHER_UPLOAD,
        "debian:upload",
        {"type": "dpkg", "changes_fields": CHANGES},
        "hello_2.10-3_arm64.changes",
        "hello_2.10-3_amd64.deb",
    ),
    _artifact(
        LOG,
        "debian:package-build-log",
        {"source": "hello", "version": "2.10-3", "filename": "hello.build"},
        "hello.build",
    ),
    _artifact(
        SIGNATURES,
        "debusine:signing-output",
        {"purpose": "uefi", "fingerprint": "AB", "results": [{"file": "a", "output_file": "a.sig"}]},
        "a.sig",
    ),
    _artifact(TARBALL, "debian:system-tarball", TARBALL_DATA, "system.tar.xz"),
    _artifact(IMAGE, "debian:system-image", IMAGE_DATA, "image.qcow2"),
)

RELATIONS = (
    (UPLOAD, BINARY, RelationType.EXTENDS),
    (UPLOAD, TEMPLATE, RelationType.EXTENDS),
    (UPLOAD, SOURCE, RelationType.RELATES_TO),
    (TEMPLATE, SOURCE, RelationType.BUILT_USING),
    (SIGNATURES, BINARY, RelationType.RELATES_TO),
    (BINARY, NEWER_SOURCE, RelationType.BUILT_USING),
)

BOOTSTRAP = {
    "bootstrap_options": {"architecture": "amd64"},
    "bootstrap_repositories": [{"mirror": "http://mirror.example/debian", "suite": "bookworm"}],
}
FOR_AMD64 = {"environment": TARBALL, "host_architecture": "amd64"}


@frozen(kw_only=True)
class Example:
    """A work request."""

    data: Mapping[str, Any]
    #: dynamic_task_data.
    dynamic: Mapping[str, Any]
    #: What is demanded of a worker beside the task in version 1.
    architecture: str | None = "amd64"
    requires: tuple[str, ...] = ()
    #: The artifacts that the worker may read.
    inputs: tuple[int, ...] = ()


EXAMPLES: Mapping[str, Example] = {
    "noop": Example(data={"result": False}, dynamic={}, architecture=None),
    "mmdebstrap": Example(
        data=BOOTSTRAP,
        dynamic={"subject": "bookworm", "runtime_context": "amd64::", "configuration_context": "amd64"},
        requires=("mmdebstrap:available",),
    ),
    "simplesystemimagebuild": Example(
        data={**BOOTSTRAP, "disk_image": {"format": "qcow2", "partitions": [{"size": 2, "filesystem": "ext4"}]}},
        dynamic={"subject": "bookworm", "runtime_context": "amd64::", "configuration_context": "amd64"},
        requires=("simplesystemimagebuild:available",),
    ),
    "sbuild": Example(
        data={"input": {"source_artifact": SOURCE, "extra_binary_artifacts": [UPLOAD]}, **FOR_AMD64},
        dynamic={
            "input_source_artifact_id": SOURCE,
            "input_extra_binary_artifacts_ids": [UPLOAD],
            "environment_id": TARBALL,
            "subject": "hello",
            "runtime_context": "any:amd64:amd64",
            "configuration_context": "bookworm",
        },
        requires=("sbuild:available", "executor:unshare:available"),
        inputs=(SOURCE, UPLOAD, TARBALL),
    ),
    "lintian": Example(
        data={"input": {"source_artifact": SOURCE, "binary_artifacts": [BINARY]}, **FOR_AMD64},
        dynamic={
            "input_source_artifact_id": SOURCE,
            "input_binary_artifacts_ids": [BINARY],
            "environment_id": TARBALL,
            "subject": "hello",
            "runtime_context": "binary-all+binary-any+source:bookworm",
            "configuration_context": "bookworm",
        },
        requires=("executor:unshare:available",),
        inputs=(SOURCE, BINARY, TARBALL),
    ),
    "autopkgtest": Example(
        data={
            "input": {"source_artifact": SOURCE, "binary_artifacts": [BINARY], "context_artifacts": [UPLOAD]},
            "backend": "qemu",
            "environment": IMAGE,
            "host_architecture": "amd64",
            "timeout": {"global": 3600},
        },
        dynamic={
            "input_source_artifact_id": SOURCE,
            "input_binary_artifacts_ids": [BINARY],
            "input_context_artifacts_ids": [UPLOAD],
            "environment_id": IMAGE,
            "subject": "hello",
            "runtime_context": "amd64:qemu",
            "configuration_context": "bookworm",
        },
        requires=("autopkgtest:available", "executor:qemu:available"),
        inputs=(SOURCE, BINARY, UPLOAD, IMAGE),
    ),
    "piuparts": Example(
        data={"input": {"binary_artifacts": [UPLOAD]}, "base_tgz": f"{TARBALL}@artifacts", **FOR_AMD64},
        dynamic={
            "input_binary_artifacts_ids": [UPLOAD],
            "base_tgz_id": TARBALL,
            "environment_id": TARBALL,
            "subject": "hello",
            "runtime_context": "bookworm:amd64",
            "configuration_context": "bookworm",
        },
        inputs=(UPLOAD, TARBALL),
    ),
    "blhc": Example(
        data={"input": {"artifact": LOG}, "extra_flags": ["--all", "--debian"], "environment": TARBALL},
        dynamic={
            "input_artifact_id": LOG,
            "environment_id": TARBALL,
            "subject": "hello",
            "configuration_context": "bookworm",
        },
        architecture=None,
        inputs=(LOG, TARBALL),
    ),
    "debdiff": Example(
        data={"input": {"source_artifacts": [SOURCE, NEWER_SOURCE]}, **FOR_AMD64},
        dynamic={
            "input_source_artifacts_ids": [SOURCE, NEWER_SOURCE],
            "environment_id": TARBALL,
            "subject": "source:hello",
            "configuration_context": "bookworm",
        },
        inputs=(SOURCE, NEWER_SOURCE, TARBALL),
    ),
    "mergeuploads": Example(
        data={"input": {"uploads": [UPLOAD, OTHER_UPLOAD]}},
        dynamic={"input_uploads_ids": [UPLOAD, OTHER_UPLOAD], "subject": "hello"},
        architecture=None,
        inputs=(UPLOAD, OTHER_UPLOAD),
    ),
    "makesourcepackageupload": Example(
        data={"input": {"source_artifact": SOURCE}, "environment": TARBALL, "target_distribution": "unstable"},
        dynamic={
            "input_source_artifact_id": SOURCE,
            "environment_id": TARBALL,
            "subject": "hello",
            "configuration_context": "bookworm",
        },
        architecture=None,
        inputs=(SOURCE, TARBALL),
    ),
    "extractforsigning": Example(
        data={"input": {"template_artifact": TEMPLATE, "binary_artifacts": [UPLOAD]}, "environment": TARBALL},
        dynamic={
            "input_template_artifact_id": TEMPLATE,
            "input_binary_artifacts_ids": [BINARY, TEMPLATE],
            "environment_id": TARBALL,
            "subject": "hello",
            "configuration_context": "bookworm",
        },
        architecture=None,
        requires=("executor:unshare:available",),
        inputs=(BINARY, TEMPLATE, UPLOAD, TARBALL),
    ),
    "assemblesignedsource": Example(
        data={"template": TEMPLATE, "signed": [SIGNATURES], "environment": TARBALL},
        dynamic={
            "template_id": TEMPLATE,
            "signed_ids": [SIGNATURES],
            "environment_id": TARBALL,
            "subject": "hello",
            "configuration_context": "bookworm",
        },
        architecture=None,
        requires=("executor:unshare:available",),
        # Also where the template and the signatures come from, and where those come from.
        inputs=(SOURCE, NEWER_SOURCE, BINARY, TEMPLATE, SIGNATURES, TARBALL),
    ),
}


def lookups() -> MemoryLookups:
    """All the artifacts, and how they relate."""
    return MemoryLookups(ARTIFACTS, relations=RELATIONS)


def fitting_metadata(name: str) -> dict[str, Any]:
    """What a worker reports that can run the example, and nothing else."""
    example = EXAMPLES[name]
    architecture = {"system:architectures": [example.architecture]} if example.architecture else {}
    return {f"{name}:version": 1, **dict.fromkeys(example.requires, True), **architecture}


def means_the_same_again(data: Any) -> bool:
    """Whether a task's data is the same after it was kept as JSON and structured again by a worker."""
    return bool(structure(json.loads(dumps(unstructure(data))), type(data)) == data)
