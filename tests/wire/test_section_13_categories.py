"""§13: what artifacts of each category carry."""

from typing import Any

import pytest

from tests.wire.api import Api

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)

SUMMARY = {
    "tags_count_by_severity": {"error": 0, "warning": 1, "overridden": 0, "classification": 2},
    "package_filename": {"hello": "hello_1_amd64.deb"},
    "tags_found": ["no-manual-page"],
    "overridden_tags_found": [],
    "lintian_version": "2.116.3",
    "distribution": "debian:bookworm",
}
TARBALL = {
    "filename": "system.tar.xz", "vendor": "debian", "codename": "bookworm", "mirror": "http://deb.debian.org/debian",
    "components": ["main"], "variant": None, "pkglist": {"dpkg": "1.21.22"}, "architecture": "amd64", "with_dev": True,
    "with_init": False,
}  # fmt: skip
IMAGE = {
    **TARBALL, "filename": "image.qcow2", "image_format": "qcow2", "filesystem": "ext4", "size": 10**10,
    "boot_mechanism": "efi",
}  # fmt: skip
CHANGES = {"Architecture": "source amd64", "Files": [{"name": "hello_1.dsc"}, {"name": "hello_1_amd64.deb"}]}
DSC = {"Files": [{"name": "hello_1.tar.xz", "size": "1", "md5sum": "0"}], "Package-List": [], "Format": "3.0 (native)"}

#: Category → its data and its files, as clients and workers send them.
GOOD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "debian:source-package": (
        {"name": "hello", "version": "1", "type": "dpkg", "dsc_fields": DSC}, ["hello_1.dsc", "hello_1.tar.xz"],
    ),
    "debian:binary-package": (
        {"srcpkg_name": "hello", "srcpkg_version": "1", "deb_fields": {"Package": "hello"},
         "deb_control_files": ["control", "md5sums"]}, ["hello_1_amd64.deb"],
    ),
    "debian:binary-packages": (
        {"srcpkg_name": "hello", "srcpkg_version": "1", "version": "1", "architecture": "amd64",
         "packages": ["hello", "hello-dbgsym"]}, ["hello_1_amd64.deb", "hello-dbgsym_1_amd64.deb"],
    ),
    "debian:upload": (
        {"type": "dpkg", "changes_fields": CHANGES}, ["hello_1_amd64.changes", "hello_1.dsc", "hello_1_amd64.deb"],
    ),
    "debian:package-build-log": (
        {"source": "hello", "version": "1", "filename": "hello_1_amd64.build", "architecture": "amd64",
         "bd_uninstallable": {"output-version": "1.2", "report": [], "total-packages": 1, "broken-packages": 0,
                              "background-packages": 0, "foreground-packages": 1}}, ["hello_1_amd64.build"],
    ),
    "debian:lintian": ({"architecture": "amd64", "summary": SUMMARY}, ["analysis.json", "lintian.txt"]),
    "debian:autopkgtest": (
        {"results": {"smoke": {"status": "PASS", "details": None}, "more": {"status": "SKIP"}},
         "cmdline": "autopkgtest", "source_package": {"name": "hello", "version": "1", "url": "http://farm.example/hello_1.dsc"},
         "architecture": "amd64", "distribution": "debian:bookworm"}, ["log", "summary", "smoke-stdout"],
    ),
    "debian:blhc": ({}, ["blhc.txt"]),
    "debian:debdiff": ({"original": "hello_1.dsc", "new": "hello_2.dsc"}, ["debdiff.txt"]),
    "debian:system-tarball": (TARBALL, ["system.tar.xz"]),
    "debian:system-image": (IMAGE, ["image.qcow2"]),
    "debusine:work-request-debug-logs": ({}, ["stages.log", "sub/cmd-output.log"]),
    "debusine:test": ({}, ["anything"]),
    "debusine:signing-input": ({"trusted_certs": ["0" * 64], "binary_package_name": "grub"}, ["grubx64.efi"]),
    "debusine:signing-output": (
        {"purpose": "uefi", "fingerprint": "0" * 64, "binary_package_name": None,
         "results": [{"file": "a", "output_file": "a.sig"}, {"file": "b", "error_message": "no key"}]}, ["a.sig"],
    ),
    "debian:repository-index": ({"path": "main/binary-amd64/Packages.xz"}, ["Packages.xz"]),
}  # fmt: skip

#: Category → changes of its good data that must be refused.
BAD_DATA: dict[str, list[dict[str, Any]]] = {
    "debian:source-package": [{"name": None}, {"version": 5}, {"type": "rpm"}, {"dsc_fields": []}],
    "debian:binary-package": [{"srcpkg_name": None}, {"deb_fields": "x"}, {"deb_control_files": [1]}],
    "debian:binary-packages": [{"packages": "hello"}, {"architecture": None}, {"version": None}],
    "debian:upload": [{"type": None}, {"changes_fields": {"Files": []}}, {"changes_fields": {"Architecture": "all"}}],
    "debian:package-build-log": [{"source": None}, {"filename": None}, {"bd_uninstallable": []}],
    "debian:lintian": [{"summary": None}, {"summary": {**SUMMARY, "tags_count_by_severity": {"grave": 1}}}],
    "debian:autopkgtest": [{"results": {"smoke": {"status": "OK"}}}, {"cmdline": None},
                           {"source_package": {"name": "a", "version": "1", "url": "hello_1.dsc"}}],
    "debian:debdiff": [{"original": None}, {"new": None}],
    "debian:system-tarball": [{"mirror": "deb.debian.org"}, {"with_dev": "yes"}, {"pkglist": ["dpkg"]}],
    "debian:system-image": [{"image_format": "vmdk"}, {"size": "large"}, {"boot_mechanism": "uefi"}],
    "debusine:signing-input": [{"trusted_certs": "x"}],
    "debusine:signing-output": [{"purpose": "pgp"}, {"fingerprint": None}, {"results": [{"file": "a"}]},
                                {"results": [{"file": "a", "output_file": "b", "error_message": "c"}]}],
    "debian:repository-index": [{"path": 5}],
}  # fmt: skip

#: Category → files that do not go with it.
BAD_FILES: dict[str, list[list[str]]] = {
    "debian:source-package": [[], ["hello_1.tar.xz"], ["hello_1.dsc"], ["hello_1.dsc", "hello_1.tar.xz", "more"]],
    "debian:binary-package": [[], ["a.deb", "b.deb"], ["a.txt"]],
    "debian:binary-packages": [[], ["a.txt"]],
    "debian:upload": [[], ["hello_1.changes"], ["hello_1.dsc", "hello_1_amd64.deb"]],
    "debian:package-build-log": [[], ["a.log"], ["a.build", "b.build"]],
    "debian:lintian": [["analysis.json"], ["lintian.txt"], ["analysis.json", "lintian.txt", "more"]],
    "debian:blhc": [[], ["other.txt"]],
    "debian:debdiff": [[], ["other.txt"]],
    "debian:system-tarball": [[], ["system.tar"], ["a.tar.xz", "b.tar.xz"]],
    "debian:system-image": [[], ["image.vmdk"]],
    "debusine:signing-input": [[]],
    "debian:repository-index": [[], ["a", "b"]],
}


def declaration(category: str, data: dict[str, Any], files: list[str]) -> dict[str, Any]:
    """An artifact whose files nobody sends."""
    file = {"size": 3, "checksums": {"sha256": "0" * 64}, "type": "file", "content_type": None}
    return {"category": category, "workspace": "System", "files": dict.fromkeys(files, file), "data": data}


@pytest.mark.parametrize("category", GOOD)
def test_what_belongs_to_a_category_is_taken_and_comes_back(user: Api, category: str) -> None:
    """§13 every category: its data, its files."""
    data, files = GOOD[category]
    made = user.post("artifact/", declaration(category, data, files)).json(201)
    assert made["data"] == data
    assert sorted(made["files"]) == sorted(files)


@pytest.mark.parametrize(
    ("category", "change"), [(category, change) for category, changes in BAD_DATA.items() for change in changes]
)
def test_data_that_does_not_fit_its_category(user: Api, category: str, change: dict[str, Any]) -> None:
    """§13 every category: its data is checked."""
    data, files = GOOD[category]
    changed = {key: value for key, value in {**data, **change}.items() if value is not None or key not in change}
    problem = user.post("artifact/", declaration(category, changed, files)).problem(400)
    assert any(key.startswith("data") for key in problem["validation_errors"]), problem


@pytest.mark.parametrize("category", GOOD)
def test_unknown_keys_do_not_fit_any_category(user: Api, category: str) -> None:
    """§13 all data classes forbid unknown keys."""
    data, files = GOOD[category]
    problem = user.post("artifact/", declaration(category, {**data, "colour": "red"}, files)).problem(400)
    assert "colour" in str(problem["validation_errors"])


@pytest.mark.parametrize(
    ("category", "files"), [(category, files) for category, lists in BAD_FILES.items() for files in lists]
)
def test_files_that_do_not_go_with_a_category(user: Api, category: str, files: list[str]) -> None:
    """§13 files rule of each category."""
    assert user.post("artifact/", declaration(category, GOOD[category][0], files)).problem(400)


@pytest.mark.parametrize("category", ["debian:nothing", "test", "", "Debian:Upload"])
def test_an_unknown_category(user: Api, category: str) -> None:
    """§13 exactly these categories."""
    problem = user.post("artifact/", declaration(category, {}, [])).problem(400)
    assert "category" in problem["validation_errors"]


def test_an_artifact_of_debug_logs_may_be_empty(user: Api) -> None:
    """§13 work-request-debug-logs: any files, may be none."""
    assert user.post("artifact/", declaration("debusine:work-request-debug-logs", {}, [])).json(201)["files"] == {}


def test_a_source_only_upload_has_no_binary_package(user: Api) -> None:
    """§13 upload: source-only ⇒ no .deb; another architecture ⇒ at least one; source ⇔ exactly one .dsc."""
    source = {"Architecture": "source", "Files": [{"name": "a_1.dsc"}]}
    binary = {"Architecture": "amd64", "Files": [{"name": "a_1_amd64.deb"}]}
    for changes, files, status in (
        (source, ["a_1.changes", "a_1.dsc"], 201),
        (binary, ["a_1.changes", "a_1_amd64.deb"], 201),
        (binary, ["a_1.changes"], 400),
        (source, ["a_1.changes"], 400),
    ):
        data = {"type": "dpkg", "changes_fields": changes}
        assert user.post("artifact/", declaration("debian:upload", data, files)).status == status, (changes, files)
    mixed = {**source, "Files": [{"name": "a_1.dsc"}, {"name": "a_1_amd64.deb"}]}
    value = declaration(
        "debian:upload", {"type": "dpkg", "changes_fields": mixed}, ["a_1.changes", "a_1.dsc", "a_1_amd64.deb"]
    )
    assert user.post("artifact/", value).problem(400)
