"""Each category takes its data and its files, and nothing else."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from debusine.converter.categories import UnknownCategory, check_artifact
from debusine.converter.structure import InvalidFields
from debusine.domain.categories import DATA, ArtifactCategory
from debusine.domain.category_files import RULES, InvalidFiles

TARBALL = {
    "filename": "system.tar.xz",
    "vendor": "debian",
    "codename": "bookworm",
    "mirror": "http://mirror.example/debian",
    "components": ["main"],
    "pkglist": {"base-files": "12.4"},
    "architecture": "amd64",
    "with_dev": True,
    "with_init": False,
}
SUMMARY = {
    "tags_count_by_severity": {"error": 1, "classification": 0},
    "package_filename": {"hello": "hello.dsc"},
    "tags_found": ["some-tag"],
    "overridden_tags_found": [],
    "lintian_version": "2.116.3",
    "distribution": "debian:unstable",
}
CHANGES = {"Architecture": "source amd64", "Files": [{"name": "a.dsc"}, {"name": "a.deb"}]}
#: Category → data with every key that it may have, and files.
GOOD: Mapping[str, tuple[dict[str, Any], list[str]]] = {
    "debian:source-package": (
        {"name": "a", "version": "1", "type": "dpkg", "dsc_fields": {"Files": [{"name": "a.tar.xz"}]}},
        ["a.dsc", "a.tar.xz"],
    ),
    "debian:binary-package": (
        {"srcpkg_name": "a", "srcpkg_version": "1", "deb_fields": {}, "deb_control_files": ["control"]},
        ["a.deb"],
    ),
    "debian:binary-packages": (
        {"srcpkg_name": "a", "srcpkg_version": "1", "version": "1", "architecture": "all", "packages": ["a", "b"]},
        ["a.deb", "b.udeb"],
    ),
    "debian:upload": ({"type": "dpkg", "changes_fields": CHANGES}, ["a.changes", "a.deb", "a.dsc"]),
    "debian:package-build-log": (
        {"source": "a", "version": "1", "filename": "a.build", "bd_uninstallable": {"output-version": "1.2"}},
        ["a.build"],
    ),
    "debian:lintian": ({"summary": SUMMARY, "architecture": "source"}, ["analysis.json", "lintian.txt"]),
    "debian:autopkgtest": (
        {
            "results": {"t": {"status": "PASS", "details": None}},
            "cmdline": "autopkgtest",
            "source_package": {"name": "a", "version": "1", "url": "http://farm.example/a.dsc"},
            "architecture": "amd64",
            "distribution": "debian:bookworm",
        },
        ["log", "summary"],
    ),
    "debian:blhc": ({}, ["blhc.txt"]),
    "debian:debdiff": ({"original": "a", "new": "b"}, ["debdiff.txt"]),
    "debian:system-tarball": (TARBALL, ["system.tar.xz"]),
    "debian:system-image": (
        {**TARBALL, "image_format": "qcow2", "filesystem": "ext4", "size": 1, "boot_mechanism": "efi", "variant": None},
        ["image.qcow2"],
    ),
    "debusine:work-request-debug-logs": ({}, []),
    "debusine:test": ({}, ["anything", "at/all"]),
    "debusine:signing-input": ({"trusted_certs": None}, ["a"]),
    "debusine:signing-output": (
        {"purpose": "openpgp", "fingerprint": "AB", "results": [{"file": "a", "output_file": "a.sig"}]},
        ["a.sig"],
    ),
    "debian:repository-index": ({"path": "Release"}, ["Release"]),
}


def errors(category: str, data: Mapping[str, Any], paths: Collection[str]) -> Mapping[str, Any]:
    """What is wrong with an artifact, by path."""
    try:
        check_artifact(category, data, paths)
    except (InvalidFields, InvalidFiles) as error:
        return error.validation_errors or {}
    return {}


def test_every_category_has_data_files_and_an_example() -> None:
    assert set(DATA) == set(RULES) == {ArtifactCategory(category) for category in GOOD} == set(ArtifactCategory)


@pytest.mark.parametrize("category", GOOD)
def test_a_good_artifact_passes(category: str) -> None:
    assert errors(category, *GOOD[category]) == {}


@pytest.mark.parametrize("category", GOOD)
def test_an_unknown_key_is_refused(category: str) -> None:
    data, paths = GOOD[category]
    with pytest.raises(InvalidFields) as caught:
        check_artifact(category, {**data, "more": 1}, paths)
    assert caught.value.validation_errors == {"data": ["Invalid fields: more"]}


@pytest.mark.parametrize(
    ("category", "change", "path"),
    [
        ("debian:source-package", {"type": "rpm"}, "data.type"),
        ("debian:source-package", {"name": 1}, "data.name"),
        ("debian:system-tarball", {"with_dev": "true"}, "data.with_dev"),
        ("debian:system-tarball", {"pkglist": {"a": 1}}, "data.pkglist['a']"),
        ("debian:system-tarball", {"mirror": "mirror.example"}, "data"),
        ("debian:lintian", {"summary": {**SUMMARY, "tags_count_by_severity": {"bad": 1}}}, "data.summary"),
        ("debian:upload", {"changes_fields": {"Architecture": "all"}}, "data"),
        ("debusine:signing-output", {"results": [{"file": "a"}]}, "data.results[0]"),
        (
            "debusine:signing-output",
            {"results": [{"file": "a", "output_file": "b", "error_message": "c"}]},
            "data.results[0]",
        ),
    ],
)
def test_wrong_data_is_named_by_its_path(category: str, change: dict[str, Any], path: str) -> None:
    data, paths = GOOD[category]
    with pytest.raises(InvalidFields) as caught:
        check_artifact(category, {**data, **change}, paths)
    (named,) = caught.value.validation_errors or {}
    assert named.startswith(path)


@pytest.mark.parametrize(
    ("category", "paths", "reason"),
    [
        ("debian:source-package", ["a.tar.xz"], "exactly one .dsc"),
        ("debian:source-package", ["a.dsc"], "a.dsc lists a.tar.xz"),
        ("debian:source-package", ["a.dsc", "a.tar.xz", "b"], "a.dsc does not list b"),
        ("debian:binary-package", ["a.deb", "b.deb"], "exactly one file"),
        ("debian:binary-package", ["a.tar"], ".deb or .udeb"),
        ("debian:binary-packages", [], "at least one file"),
        ("debian:binary-packages", ["a.deb", "b.txt"], "all names must end with"),
        ("debian:upload", ["a.deb", "a.dsc"], "exactly one .changes"),
        ("debian:upload", ["a.changes", "a.dsc"], "a.changes lists a.deb"),
        ("debian:package-build-log", ["a.log"], "end with .build"),
        ("debian:lintian", ["analysis.json"], "exactly analysis.json and lintian.txt"),
        ("debian:autopkgtest", ["binaries/a.deb"], "binaries/ does not belong here"),
        ("debian:blhc", [], "exactly blhc.txt"),
        ("debian:system-tarball", ["a.tar"], ".tar.xz"),
        ("debusine:signing-input", [], "at least one"),
        ("debian:repository-index", ["a", "b"], "exactly one file"),
    ],
)
def test_wrong_files_are_told(category: str, paths: list[str], reason: str) -> None:
    with pytest.raises(InvalidFiles, match=reason) as caught:
        check_artifact(category, GOOD[category][0], paths)
    assert list(caught.value.validation_errors or {}) == ["files"]


@pytest.mark.parametrize(
    ("architecture", "names", "reason"),
    [
        ("source", ["a.dsc", "a.deb"], "is of source alone and lists a.deb"),
        ("amd64", ["a.buildinfo"], "is of amd64 and lists no .deb"),
        ("source amd64", ["a.deb"], "must list exactly one .dsc"),
        ("amd64", ["a.deb", "a.dsc"], "is not of a source and lists a.dsc"),
    ],
)
def test_an_upload_holds_what_its_architectures_promise(architecture: str, names: list[str], reason: str) -> None:
    fields = {"Architecture": architecture, "Files": [{"name": name} for name in names]}
    with pytest.raises(InvalidFiles, match=reason):
        check_artifact("debian:upload", {"type": "dpkg", "changes_fields": fields}, ["a.changes", *names])


def test_an_unknown_category_is_refused() -> None:
    with pytest.raises(UnknownCategory, match=r"debian:tarball.* is none of debian:source-package, "):
        check_artifact("debian:tarball", {}, [])
