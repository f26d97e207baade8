"""Debian's files become artifacts exactly as the protocol describes them."""

from pathlib import Path

import pytest

from debusine.converter.categories import check_artifact
from debusine.debian import (
    MissingFile,
    NotADebianFile,
    UnreadablePackage,
    WrongFile,
    artifacts_of,
    binary_package,
    read_dsc,
    source_package,
)
from tests.debian.packages import make_changes, make_deb, make_dsc

SIGNED = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{content}
-----BEGIN PGP SIGNATURE-----

iHUEARYKAB0WIQ
-----END PGP SIGNATURE-----
"""


def test_a_dsc_is_one_source_package(tmp_path: Path) -> None:
    dsc = make_dsc(tmp_path)
    (artifact,) = artifacts_of(dsc)
    assert artifact.category == "debian:source-package"
    assert list(artifact.files) == ["hello-play_1.0.dsc", "hello-play_1.0.tar.xz"]
    fields = artifact.data["dsc_fields"]
    assert (artifact.data["name"], artifact.data["version"], artifact.data["type"]) == ("hello-play", "1.0", "dpkg")
    assert [list(item) for item in fields["Files"]] == [["md5sum", "size", "name"]]
    assert [list(item) for item in fields["Checksums-Sha256"]] == [["sha256", "size", "name"]]
    assert fields["Package-List"][0]["package"] == "hello-play"
    assert {type(value) for item in fields["Files"] for value in item.values()} == {str}


def test_a_deb_is_one_binary_package(tmp_path: Path) -> None:
    deb = make_deb(tmp_path, Source="other (2.0-1)")
    (artifact,) = artifacts_of(deb)
    assert artifact.category == "debian:binary-package"
    assert artifact.files == {deb.name: deb}
    assert (artifact.data["srcpkg_name"], artifact.data["srcpkg_version"]) == ("other", "2.0-1")
    assert artifact.data["deb_control_files"] == ["conffiles", "control"]
    assert artifact.data["deb_fields"]["Description"] == "play\n more"


def test_a_package_without_a_source_field_is_its_own_source(tmp_path: Path) -> None:
    artifact = binary_package(make_deb(tmp_path))
    assert (artifact.data["srcpkg_name"], artifact.data["srcpkg_version"]) == ("hello-play", "1.0")


def test_a_source_field_without_a_version_takes_the_packages(tmp_path: Path) -> None:
    artifact = binary_package(make_deb(tmp_path, Source="other"))
    assert (artifact.data["srcpkg_name"], artifact.data["srcpkg_version"]) == ("other", "1.0")


def test_a_changes_is_an_upload_and_then_each_architecture_in_its_order(tmp_path: Path) -> None:
    dsc = make_dsc(tmp_path)
    debs = [make_deb(tmp_path, "a"), make_deb(tmp_path, "b", "amd64"), make_deb(tmp_path, "c", "amd64")]
    changes = make_changes(tmp_path, [dsc, dsc.with_suffix(".tar.xz"), *debs], "source amd64 all")
    artifacts = artifacts_of(changes)
    everything = [changes.name, dsc.name, "hello-play_1.0.tar.xz", *(deb.name for deb in debs)]
    assert [(artifact.category, list(artifact.files)) for artifact in artifacts] == [
        ("debian:upload", everything),
        ("debian:source-package", [dsc.name, "hello-play_1.0.tar.xz"]),
        ("debian:binary-package", ["b_1.0_amd64.deb"]),
        ("debian:binary-package", ["c_1.0_amd64.deb"]),
        ("debian:binary-packages", ["b_1.0_amd64.deb", "c_1.0_amd64.deb"]),
        ("debian:binary-package", ["a_1.0_all.deb"]),
        ("debian:binary-packages", ["a_1.0_all.deb"]),
    ]
    assert artifacts[4].data == {
        "srcpkg_name": "hello-play",
        "srcpkg_version": "1.0",
        "version": "1.0",
        "architecture": "amd64",
        "packages": ["b", "c"],
    }
    for artifact in artifacts:
        check_artifact(artifact.category, artifact.data, artifact.files)


def test_a_signature_is_taken_off(tmp_path: Path) -> None:
    dsc = make_dsc(tmp_path)
    plain = read_dsc(dsc)
    dsc.write_text(SIGNED.format(content=dsc.read_text()))
    assert read_dsc(dsc) == plain


def test_a_listed_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    dsc = make_dsc(tmp_path)
    dsc.with_suffix(".tar.xz").unlink()
    with pytest.raises(MissingFile, match=r"lists hello-play_1.0.tar.xz, which is not in "):
        source_package(dsc)


@pytest.mark.parametrize(("change", "reason"), [(b"x", "its SHA-256 differs"), (b"", r"it has 0 bytes instead of \d+")])
def test_a_listed_file_with_other_content_is_refused(tmp_path: Path, change: bytes, reason: str) -> None:
    dsc = make_dsc(tmp_path)
    tarball = dsc.with_suffix(".tar.xz")
    tarball.write_bytes(change * tarball.stat().st_size)
    with pytest.raises(WrongFile, match=rf"hello-play_1.0.tar.xz is not the file that .* lists: {reason}"):
        artifacts_of(dsc)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.dsc", b"junk", "it has no field Source"),
        ("a.dsc", b"", "it has no field Source"),
        ("a.dsc", b"\xff\xfe", "it is not UTF-8"),
        ("a.dsc", b"Source: a\0\n", "NUL"),
        ("a.dsc", b"Source: a\nVersion: 1\nFiles: abc\n", "its field Files is not a list"),
        ("a.dsc", b"Source: a\nVersion: 1\nFiles:\n abc\n", "which is not the name of a file"),
        ("a.dsc", b"Source: a\nVersion: 1\nFiles:\n abc 5 ../a\n", "which is not the name of a file"),
        ("a.dsc", b"Source: a\nVersion: 1\nFiles:\n abc -5 b\n", "with the size '-5'"),
        ("a.changes", b"Source: a\nVersion: 1\nFiles:\n abc 5 a b c\n", "it has no field Architecture"),
        ("a.deb", b"junk", "cannot be read as a .deb"),
        ("a.udeb", b"!<arch>\n", "cannot be read as a .udeb"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadablePackage, match=reason):
        artifacts_of(tmp_path / name)


def test_other_files_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(NotADebianFile, match=r"its name must end with \.changes"):
        artifacts_of(tmp_path / "a.tar.xz")
