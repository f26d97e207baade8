"""The keys of each category's data (protocol.md §13): what must be there, what may be null, and of which type."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from debusine.converter.categories import check_artifact
from debusine.domain.category_files import InvalidFiles
from tests.domain.test_categories import CHANGES, GOOD, SUMMARY, errors

SYSTEM = "filename vendor codename mirror components pkglist architecture with_dev with_init"

#: Category → keys that must be there, then those that may be absent or null.
KEYS: dict[str, tuple[str, str]] = {
    "debian:source-package": ("name version type dsc_fields", ""),
    "debian:binary-package": ("srcpkg_name srcpkg_version deb_fields deb_control_files", ""),
    "debian:binary-packages": ("srcpkg_name srcpkg_version version architecture packages", ""),
    "debian:upload": ("type changes_fields", ""),
    "debian:package-build-log": ("source version filename", "architecture bd_uninstallable"),
    "debian:lintian": ("summary", "architecture"),
    "debian:autopkgtest": ("results cmdline source_package architecture distribution", ""),
    "debian:blhc": ("", ""),
    "debian:debdiff": ("original new", ""),
    "debian:system-tarball": (SYSTEM, "variant"),
    "debian:system-image": (f"{SYSTEM} image_format filesystem size boot_mechanism", "variant"),
    "debusine:work-request-debug-logs": ("", ""),
    "debusine:test": ("", ""),
    "debusine:signing-input": ("", "trusted_certs binary_package_name"),
    "debusine:signing-output": ("purpose fingerprint results", "binary_package_name"),
    "debian:repository-index": ("", "path"),
}

#: Values of every type that JSON has.
VALUES: tuple[Any, ...] = (True, 5, 1.5, "text", [True], {"a": True})

#: Category → changes of its good data, all of which are good, too: nothing here is stricter than the table.
ALSO_GOOD: dict[str, list[dict[str, Any]]] = {
    "debian:source-package": [
        {"dsc_fields": {"Files": [{"name": "a.tar.xz", "size": "5", "md5sum": "0"}], "Package-List": []}},
        {"dsc_fields": {"Checksums-Sha256": [{"name": "a.tar.xz"}], "X-More": {"deep": [1, None, {"a": []}]}}},
        {"dsc_fields": {}},
        {"name": "", "version": ""},
    ],
    "debian:binary-package": [{"deb_fields": {}, "deb_control_files": []}],
    "debian:binary-packages": [{"packages": []}, {"architecture": "some-day-an-architecture"}],
    "debian:upload": [{"changes_fields": {**CHANGES, "Checksums-Sha256": [{"name": "a.dsc", "size": "1"}]}}],
    "debian:package-build-log": [
        {"architecture": "amd64"},
        {"filename": "another.build"},
        {
            "bd_uninstallable": {
                "output-version": "1.2",
                "native-architecture": "amd64",
                "foreign-architecture": ["i386"],
                "host-architecture": None,
                "report": [{"package": "a", "status": "broken", "reasons": [{"missing": {"pkg": {"version": 1}}}]}],
                "total-packages": 70000,
                "broken-packages": 1,
                "background-packages": 69999,
                "foreground-packages": 1,
            }
        },
        {"bd_uninstallable": {}},
    ],
    "debian:lintian": [
        {"summary": {**SUMMARY, "tags_count_by_severity": dict.fromkeys(severities, 0)}}
        for severities in (
            "",
            ("error", "warning", "info", "pedantic", "experimental", "overridden", "classification"),
        )
    ]
    + [{"summary": {**SUMMARY, "package_filename": {}, "overridden_tags_found": ["b"]}}],
    "debian:autopkgtest": [
        {"results": {}},
        {"results": {f"test-{status}": {"status": status} for status in ("PASS", "FAIL", "FLAKY", "SKIP")}},
        {"results": {"command 1: a b": {"status": "FAIL", "details": "timed out"}}},
        {"source_package": {"name": "a", "version": "1", "url": "https://farm.example/a%20b/1.dsc?x=1#y"}},
        {"distribution": "kali:kali-rolling"},
    ],
    "debian:system-tarball": [
        {"mirror": "file:///srv/mirror"},
        {"mirror": "https://[::1]:8080/debian/"},
        {"components": [], "pkglist": {}},
        {"filename": "other.tar.xz", "variant": "minbase"},
    ],
    "debian:system-image": [
        {"image_format": "raw", "boot_mechanism": "bios", "size": 2**40},
        {"filesystem": "btrfs", "size": 0},
    ],
    "debusine:signing-input": [{"trusted_certs": []}, {"trusted_certs": ["AB", "CD"], "binary_package_name": "a"}],
    "debusine:signing-output": [
        {"results": []},
        {"purpose": "uefi", "results": [{"file": "a", "error_message": "no key", "output_file": None}]},
        {"results": [{"file": "a", "output_file": "a.sig"}, {"file": "b", "error_message": ""}]},
    ],
}

ALSO_GOOD_FILES: dict[str, list[list[str]]] = {
    "debian:binary-package": [["a.udeb"], ["a.ddeb"]],
    "debian:binary-packages": [["a.deb"], [f"{number}.deb" for number in range(50)]],
    "debian:autopkgtest": [[], ["binaries.txt"], ["artifacts/binaries/a.deb"]],
    "debian:system-image": [["a.tar.xz"], ["image.qcow2"]],
    "debusine:test": [[]],
    "debusine:work-request-debug-logs": [["stages.log", "dir/a b.log"]],
    "debusine:signing-input": [["a", "b/c"]],
    "debusine:signing-output": [[]],
    "debian:repository-index": [["dists/sid/Release"]],
}

BAD: dict[str, list[dict[str, Any]]] = {
    "debian:source-package": [
        {"dsc_fields": {"Files": 5}},
        {"dsc_fields": {"Files": "a.tar.xz"}},
        {"dsc_fields": {"Files": {"name": "a.tar.xz"}}},
        {"dsc_fields": {"Files": None}},
        {"dsc_fields": {"Files": ["a.tar.xz"]}},
        {"dsc_fields": {"Files": [{"size": "5"}]}},
        {"dsc_fields": {"Files": [{"name": 5}]}},
        {"dsc_fields": {"Checksums-Sha256": "a.tar.xz"}},
        {"dsc_fields": {"Package-List": "a deb"}},
    ],
    "debian:upload": [
        {"changes_fields": {"Files": CHANGES["Files"]}},
        {"changes_fields": {**CHANGES, "Architecture": ""}},
        {"changes_fields": {**CHANGES, "Architecture": ["all"]}},
        {"changes_fields": {"Architecture": "all"}},
        {"changes_fields": {**CHANGES, "Files": None}},
        {"changes_fields": {**CHANGES, "Files": 5}},
        {"changes_fields": {**CHANGES, "Files": [[]]}},
        {"changes_fields": {**CHANGES, "Files": [{}]}},
        {"changes_fields": {**CHANGES, "Checksums-Sha1": {}}},
    ],
    "debian:lintian": [
        {"summary": {key: value for key, value in SUMMARY.items() if key != missing}} for missing in SUMMARY
    ]
    + [
        {"summary": {**SUMMARY, "more": 1}},
        {"summary": {**SUMMARY, "tags_count_by_severity": {"error": "1"}}},
        {"summary": {**SUMMARY, "tags_count_by_severity": {"error": True}}},
        {"summary": {**SUMMARY, "tags_count_by_severity": {"error": None}}},
        {"summary": {**SUMMARY, "tags_count_by_severity": {"ERROR": 1}}},
    ],
    "debian:autopkgtest": [
        {"results": {"t": {"status": "pass"}}},
        {"results": {"t": {"status": None}}},
        {"results": {"t": {}}},
        {"results": {"t": "PASS"}},
        {"results": {"t": {"status": "PASS", "detail": "x"}}},
        {"source_package": {"name": "a", "version": "1"}},
        {"source_package": {"name": "a", "version": "1", "url": "/a.dsc"}},
        {"source_package": {"name": "a", "version": "1", "url": "http://farm.example/a b.dsc"}},
        {"source_package": {"name": "a", "version": 1, "url": "http://farm.example/a.dsc"}},
    ],
    "debian:system-tarball": [{"mirror": "mirror.example"}, {"mirror": ""}, {"components": "main"}],
    "debian:system-image": [
        {"image_format": "QCOW2"},
        {"boot_mechanism": "uefi"},
        {"size": "2000000000"},
        {"size": 1.5},
        {"mirror": "//mirror.example/debian"},
    ],
    "debusine:signing-input": [{"trusted_certs": [1]}, {"trusted_certs": "AB"}],
    "debusine:signing-output": [
        {"purpose": "UEFI"},
        {"results": {"file": "a", "output_file": "b"}},
        {"results": [{"output_file": "b"}]},
        {"results": [{"file": "a"}]},
        {"results": [{"file": "a", "output_file": None, "error_message": None}]},
        {"results": [{"file": "a", "output_file": "b", "error_message": "c"}]},
        {"results": [{"file": "a", "output_file": "b", "size": 1}]},
    ],
}

BAD_FILES: dict[str, list[list[str]]] = {
    "debian:source-package": [[], ["a.dsc", "b.dsc", "a.tar.xz"], ["sub/a.tar.xz", "a.dsc"]],
    "debian:binary-package": [[], ["a.deb", "a.txt"], ["a.deb.txt"]],
    "debian:binary-packages": [["a.deb", "a.txt"]],
    "debian:upload": [[], ["a.changes", "a.deb", "a.dsc", "more"], ["a.changes", "b.changes", "a.deb", "a.dsc"]],
    "debian:package-build-log": [[], ["a.build", "b.build"], ["a.build.gz"]],
    "debian:lintian": [[], ["lintian.txt"], ["analysis.json", "lintian.txt", "lintian.html"]],
    "debian:autopkgtest": [["log", "binaries/Packages"]],
    "debian:blhc": [[], ["blhc.log"], ["blhc.txt", "more.txt"]],
    "debian:debdiff": [[], ["debdiff.txt", "debdiff.html"]],
    "debian:system-tarball": [[], ["system.tar.gz"], ["a.tar.xz", "b.tar.xz"], ["image.qcow2"]],
    "debian:system-image": [[], ["image.raw"], ["image.qcow2", "image.tar.xz"]],
    "debusine:signing-input": [[]],
    "debian:repository-index": [[], ["a", "b"]],
}


def rows(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(category, value, id=f"{category}-{number}")
        for category, values in table.items()
        for number, value in enumerate(values)
    ]


def keys(category: str) -> Iterator[tuple[str, bool]]:
    required, optional = (words.split() for words in KEYS[category])
    yield from [(key, True) for key in required] + [(key, False) for key in optional]


def takes(category: str, **changes: Any) -> bool:
    found = data_errors(category, {**GOOD[category][0], **changes})
    assert all(path.startswith("data") for path in found)
    return not found


def data_errors(category: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is wrong with an artifact's data, whatever becomes of its files."""
    return {path: told for path, told in errors(category, data, GOOD[category][1]).items() if path != "files"}


@pytest.mark.parametrize("category", GOOD)
def test_a_key_may_be_absent_or_null_exactly_when_the_table_says_so(category: str) -> None:
    data, _ = GOOD[category]
    for key, required in keys(category):
        absent = data_errors(category, {name: value for name, value in data.items() if name != key})

        assert absent == ({f"data.{key}": ["This field is required."]} if required else {})
        assert takes(category, **{key: None}) is not required, key


@pytest.mark.parametrize("category", GOOD)
def test_there_are_no_other_keys_than_those_of_the_table(category: str) -> None:
    assert GOOD[category][0].keys() <= {key for key, _ in keys(category)}
    assert not takes(category, more=None)


@pytest.mark.parametrize("category", GOOD)
def test_a_key_takes_values_of_one_type_only(category: str) -> None:
    data, _ = GOOD[category]
    for key in data:
        for value in VALUES:
            if type(value) is not type(data[key]) and data[key] is not None:
                assert not takes(category, **{key: value}), (key, value)


@pytest.mark.parametrize(("category", "change"), rows(ALSO_GOOD))
def test_nothing_is_stricter_than_the_table(category: str, change: dict[str, Any]) -> None:
    assert errors(category, {**GOOD[category][0], **change}, GOOD[category][1]) == {}


@pytest.mark.parametrize(("category", "paths"), rows(ALSO_GOOD_FILES))
def test_no_rule_for_files_is_stricter_than_the_table(category: str, paths: list[str]) -> None:
    assert errors(category, GOOD[category][0], paths) == {}


@pytest.mark.parametrize(("category", "change"), rows(BAD))
def test_data_that_does_not_fit_is_refused(category: str, change: dict[str, Any]) -> None:
    assert not takes(category, **change)


@pytest.mark.parametrize(("category", "paths"), rows(BAD_FILES))
def test_files_that_do_not_fit_are_refused(category: str, paths: list[str]) -> None:
    with pytest.raises(InvalidFiles) as caught:
        check_artifact(category, GOOD[category][0], paths)
    assert list(caught.value.validation_errors or {}) == ["files"]


def test_a_message_names_some_of_many_files() -> None:
    names = [f"{number:05}.deb" for number in range(5000)]
    fields = {"Architecture": "all", "Files": [{"name": name} for name in names]}

    with pytest.raises(InvalidFiles, match=r"lists 00000\.deb, .*00009\.deb and 4990 more$"):
        check_artifact("debian:upload", {"type": "dpkg", "changes_fields": fields}, ["a.changes"])
