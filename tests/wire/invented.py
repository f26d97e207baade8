"""Artifacts of invented bytes, and a good work request of every task that works on them."""

import os

from tests.wire.api import Api, Json

SOURCE: Json = {"name": "hello", "version": "1", "type": "dpkg", "dsc_fields": {"Files": [{"name": "a.tar.xz"}]}}
BINARY: Json = {"srcpkg_name": "hello", "srcpkg_version": "1", "deb_fields": {"Package": "hello"},
                "deb_control_files": ["control"]}  # fmt: skip
TARBALL: Json = {
    "filename": "system.tar.xz", "vendor": "debian", "codename": "bookworm", "mirror": "http://mirror.example/debian",
    "components": ["main"], "variant": None, "pkglist": {}, "architecture": "amd64", "with_dev": True,
    "with_init": False,
}  # fmt: skip
CHANGES: Json = {"type": "dpkg", "changes_fields": {"Architecture": "amd64", "Source": "hello", "Version": "1",
                                                    "Files": [{"name": "hello_1_amd64.deb"}]}}  # fmt: skip
LOG: Json = {"source": "hello", "version": "1", "filename": "hello.build"}
BOOTSTRAP: Json = {
    "bootstrap_options": {"architecture": "amd64", "variant": "buildd"},
    "bootstrap_repositories": [{"mirror": "http://mirror.example/debian", "suite": "bookworm"}],
}


def invented(api: Api) -> dict[str, int]:
    """An artifact of each kind that tasks take, of invented bytes."""

    def make(category: str, data: Json, *files: str) -> int:
        return int(api.artifact({name: os.urandom(8) for name in files}, category=category, data=data)["id"])

    return {
        "source": make("debian:source-package", SOURCE, "a.dsc", "a.tar.xz"),
        "binary": make("debian:binary-package", BINARY, "hello_1_amd64.deb"),
        "upload": make("debian:upload", CHANGES, "hello_1_amd64.changes", "hello_1_amd64.deb"),
        "tarball": make("debian:system-tarball", TARBALL, "system.tar.xz"),
        "log": make("debian:package-build-log", LOG, "hello.build"),
        "template": make("debian:binary-package", BINARY, "template.deb"),
        "signed": make(
            "debusine:signing-output", {"purpose": "uefi", "fingerprint": "0" * 64, "results": []}, "a.efi.sig"
        ),
    }


def requests(ids: dict[str, int]) -> dict[str, Json]:
    """Task → task_data that fits."""
    here = {"environment": ids["tarball"], "host_architecture": "amd64"}
    return {
        "noop": {},
        "sbuild": {**here, "input": {"source_artifact": ids["source"], "extra_binary_artifacts": [ids["binary"]]}},
        "lintian": {"environment": ids["tarball"], "input": {"binary_artifacts": [ids["upload"]]}},
        "autopkgtest": {
            **here, "backend": "unshare",
            "input": {"source_artifact": ids["source"], "binary_artifacts": [ids["binary"]]},
        },
        "piuparts": {**here, "input": {"binary_artifacts": [ids["binary"]]}, "base_tgz": ids["tarball"]},
        "blhc": {"environment": ids["tarball"], "input": {"artifact": ids["log"]}},
        "debdiff": {**here, "input": {"binary_artifacts": [[ids["upload"]], [ids["upload"]]]}},
        "mmdebstrap": BOOTSTRAP,
        "simplesystemimagebuild": {
            **BOOTSTRAP, "disk_image": {"format": "raw", "partitions": [{"size": 1, "filesystem": "ext4"}]},
        },
        "mergeuploads": {"input": {"uploads": [ids["upload"]]}},
        "makesourcepackageupload": {"environment": ids["tarball"], "input": {"source_artifact": ids["source"]}},
        "extractforsigning": {
            "environment": ids["tarball"],
            "input": {"template_artifact": ids["template"], "binary_artifacts": [ids["binary"]]},
        },
        "assemblesignedsource": {
            "environment": ids["tarball"], "template": ids["template"], "signed": [ids["signed"]],
        },
    }  # fmt: skip
