"""Debian's files as artifacts: category, data and files."""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from debian.arfile import ArError
from debian.debfile import DebError, DebFile

from debusine.debian.control import beside, listed_files, plain, read_changes, read_dsc, source_of
from debusine.debian.errors import UnreadablePackage
from debusine.domain.categories import ArtifactCategory


@frozen(kw_only=True)
class DebianArtifact:
    """What an artifact is to hold."""

    category: str
    data: Mapping[str, Any]
    #: Path in the artifact → local file.
    files: Mapping[str, Path]


def source_package(dsc: Path) -> DebianArtifact:
    """A source package: a .dsc and the files that it lists, which are beside it.

    Raises ``UnreadablePackage`` or ``MissingFile``; what the files hold is not looked at.
    """
    fields = read_dsc(dsc)
    data = {"name": fields["Source"], "version": fields["Version"], "type": "dpkg", "dsc_fields": fields}
    files = beside(dsc, listed_files(dsc, fields))
    return DebianArtifact(category=ArtifactCategory.SOURCE_PACKAGE, data=data, files=files)


def binary_package(deb: Path) -> DebianArtifact:
    """One .deb, .ddeb or .udeb; ``UnreadablePackage``."""
    fields, control_files = read_deb(deb)
    name, version = source_of(fields)
    data = {
        "srcpkg_name": name,
        "srcpkg_version": version,
        "deb_fields": fields,
        "deb_control_files": control_files,
    }
    return DebianArtifact(category=ArtifactCategory.BINARY_PACKAGE, data=data, files={deb.name: deb})


def binary_packages(
    debs: Sequence[Path], *, srcpkg_name: str, srcpkg_version: str, version: str, architecture: str
) -> DebianArtifact:
    """The packages that a source made for one architecture (or ``all``), as one artifact; ``UnreadablePackage``."""
    data = {
        "srcpkg_name": srcpkg_name,
        "srcpkg_version": srcpkg_version,
        "version": version,
        "architecture": architecture,
        "packages": sorted({read_deb(deb)[0]["Package"] for deb in debs}),
    }
    files = {deb.name: deb for deb in debs}
    return DebianArtifact(category=ArtifactCategory.BINARY_PACKAGES, data=data, files=files)


def upload(changes: Path) -> DebianArtifact:
    """An upload: a .changes and the files that it lists, which are beside it.

    Raises ``UnreadablePackage`` or ``MissingFile``; what the files hold is not looked at.
    """
    fields = read_changes(changes)
    data = {"type": "dpkg", "changes_fields": fields}
    return DebianArtifact(
        category=ArtifactCategory.UPLOAD, data=data, files=beside(changes, listed_files(changes, fields))
    )


def read_deb(deb: Path) -> tuple[dict[str, Any], list[str]]:
    """The control fields of a binary package, and the names of the files in its control.tar, sorted."""
    try:
        with DebFile(str(deb)) as package:
            fields = plain(package.debcontrol())
            names = sorted({str(name).removeprefix("./") for name in package.control} - {"", "."})
    except (ArError, DebError, tarfile.TarError, OSError, EOFError, ValueError, KeyError) as error:
        raise UnreadablePackage(deb, str(error) or type(error).__name__) from error
    if not (fields.get("Package") and fields.get("Version")):
        raise UnreadablePackage(deb, "its control file has no Package and Version")
    return fields, names
