"""Imports: all artifacts that one Debian file stands for."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path, PurePath

from debusine.debian.artifacts import DebianArtifact, binary_package, binary_packages, source_package, upload
from debusine.debian.control import Listed, check_contents, listed_files, read_changes, read_dsc, source_of
from debusine.debian.errors import NotADebianFile


class Kind(StrEnum):
    """The files that can be imported."""

    CHANGES = ".changes"
    DSC = ".dsc"
    BINARY = ".deb"


def kind_of(name: str) -> Kind:
    """What a file is by its name; ``NotADebianFile``."""
    if name.endswith((".deb", ".ddeb", ".udeb")):
        return Kind.BINARY
    try:
        return Kind(PurePath(name).suffix)
    except ValueError:
        raise NotADebianFile(name) from None


def artifacts_of(path: Path) -> list[DebianArtifact]:
    """The artifacts of a .changes, .dsc or binary package, in the order in which to make them.

    Every file that is listed is compared with its hash. The first artifact is the one that the file itself is; each
    other is to be its target of ``extends`` and ``relates-to``. Raises ``NotADebianFile``, ``UnreadablePackage``,
    ``MissingFile`` or ``WrongFile``.
    """
    kind = kind_of(path.name)
    if kind is Kind.BINARY:
        return [binary_package(path)]
    artifact = upload(path) if kind is Kind.CHANGES else source_package(path)
    check_contents(path, files_listed_by(path))
    return [artifact, *_parts(path)] if kind is Kind.CHANGES else [artifact]


def files_listed_by(path: Path) -> list[Listed]:
    """The files that a .dsc or .changes lists; none for a binary package."""
    kind = kind_of(path.name)
    if kind is Kind.BINARY:
        return []
    return listed_files(path, read_dsc(path) if kind is Kind.DSC else read_changes(path))


def _parts(changes: Path) -> Iterator[DebianArtifact]:
    fields = read_changes(changes)
    names = [file.name for file in listed_files(changes, fields)]
    for architecture in fields["Architecture"].split():
        if architecture == "source":
            yield from (source_package(changes.parent / name) for name in names if name.endswith(".dsc"))
        else:
            yield from _binaries(changes, architecture, names)


def _binaries(changes: Path, architecture: str, names: Sequence[str]) -> Iterator[DebianArtifact]:
    endings = (f"_{architecture}.deb", f"_{architecture}.udeb")
    debs = [changes.parent / name for name in names if name.endswith(endings)]
    yield from (binary_package(deb) for deb in debs)
    if debs:
        fields = read_changes(changes)
        source, source_version = source_of(fields)
        yield binary_packages(
            debs,
            srcpkg_name=source,
            srcpkg_version=source_version,
            version=fields["Version"],
            architecture=architecture,
        )
