"""Which files each category of artifacts may have."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from debusine.domain.categories import ArtifactCategory, SourcePackage, Upload
from debusine.domain.errors import Invalid

#: A rule yields the reason against the files of an artifact; it gets the category's data and the paths.
Rule = Callable[[Any, Sequence[str]], str | None]

#: Names in one message.
SHOWN = 10

BINARY_SUFFIXES = (".deb", ".udeb", ".ddeb")


class InvalidFiles(Invalid):
    """An artifact has not the files that its category asks for."""

    def __init__(self, category: ArtifactCategory, reason: str) -> None:
        super().__init__(f"The files do not fit {category}", detail=reason, validation_errors={"files": [reason]})


def check_files(category: ArtifactCategory, data: object, paths: Collection[str]) -> None:
    """Compare the paths of an artifact with its category and its data; ``InvalidFiles`` says what is wrong."""
    reason = RULES[category](data, sorted(paths))
    if reason is not None:
        raise InvalidFiles(category, reason)


def listed_names(fields: Mapping[str, Any]) -> list[str]:
    """The names of the files that a .dsc or .changes lists."""
    listed = fields.get("Files") or fields.get("Checksums-Sha256") or []
    return [item["name"] for item in listed if isinstance(item.get("name"), str)]


def _ending(paths: Sequence[str], *suffixes: str) -> list[str]:
    return [path for path in paths if path.endswith(suffixes)]


def _anything(_data: object, _paths: Sequence[str]) -> None:
    return None


def _something(_data: object, paths: Sequence[str]) -> str | None:
    return None if paths else "there must be at least one file"


def _exactly(*names: str) -> Rule:
    def rule(_data: object, paths: Sequence[str]) -> str | None:
        return None if list(paths) == sorted(names) else f"there must be exactly {' and '.join(sorted(names))}"

    return rule


def _one(*suffixes: str) -> Rule:
    def rule(_data: object, paths: Sequence[str]) -> str | None:
        if len(paths) == 1 and _ending(paths, *suffixes):
            return None
        return f"there must be exactly one file, and its name must end with {' or '.join(suffixes)}"

    return rule


def _any_one(_data: object, paths: Sequence[str]) -> str | None:
    return None if len(paths) == 1 else "there must be exactly one file"


def _only_binaries(_data: object, paths: Sequence[str]) -> str | None:
    if paths and _ending(paths, *BINARY_SUFFIXES) == list(paths):
        return None
    return "there must be at least one file, and all names must end with .deb or .udeb"


def _source(data: SourcePackage, paths: Sequence[str]) -> str | None:
    dsc = _ending(paths, ".dsc")
    if len(dsc) != 1:
        return "there must be exactly one .dsc"
    names = listed_names(data.dsc_fields)
    return _as_listed(names, dsc[0], paths) if names else None


def _upload(data: Upload, paths: Sequence[str]) -> str | None:
    changes, names = _ending(paths, ".changes"), listed_names(data.changes_fields)
    if len(changes) != 1:
        return "there must be exactly one .changes"
    return _as_promised(data.architectures, names) or _as_listed(names, changes[0], paths)


def _as_promised(architectures: Sequence[str], names: Sequence[str]) -> str | None:
    """Whether the files are those of the architectures that a .changes names."""
    binaries, sources = _ending(names, ".deb", ".udeb"), _ending(names, ".dsc")
    if list(architectures) == ["source"] and binaries:
        return f"the .changes is of source alone and lists {binaries[0]}"
    if set(architectures) - {"source"} and not binaries:
        return f"the .changes is of {' '.join(architectures)[:100]} and lists no .deb"
    if "source" in architectures and len(sources) != 1:
        return "the .changes is of a source and must list exactly one .dsc"
    if "source" not in architectures and sources:
        return f"the .changes is not of a source and lists {sources[0]}"
    return None


def _as_listed(names: Sequence[str], listing: str, paths: Sequence[str]) -> str | None:
    expected, given = {listing, *names}, set(paths)
    if missing := sorted(expected - given):
        return f"{listing} lists {_some(missing)}"
    if more := sorted(given - expected):
        return f"{listing} does not list {_some(more)}"
    return None


def _some(names: Sequence[str]) -> str:
    """The first of some names, for a sentence."""
    shown = ", ".join(name[:100] for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _no_binaries_tree(_data: object, paths: Sequence[str]) -> str | None:
    return (
        "the directory binaries/ does not belong here" if any(path.startswith("binaries/") for path in paths) else None
    )


RULES: Mapping[ArtifactCategory, Rule] = {
    ArtifactCategory.SOURCE_PACKAGE: _source,
    ArtifactCategory.BINARY_PACKAGE: _one(*BINARY_SUFFIXES),
    ArtifactCategory.BINARY_PACKAGES: _only_binaries,
    ArtifactCategory.UPLOAD: _upload,
    ArtifactCategory.PACKAGE_BUILD_LOG: _one(".build"),
    ArtifactCategory.LINTIAN: _exactly("analysis.json", "lintian.txt"),
    ArtifactCategory.AUTOPKGTEST: _no_binaries_tree,
    ArtifactCategory.BLHC: _exactly("blhc.txt"),
    ArtifactCategory.DEBDIFF: _exactly("debdiff.txt"),
    ArtifactCategory.SYSTEM_TARBALL: _one(".tar.xz"),
    ArtifactCategory.SYSTEM_IMAGE: _one(".tar.xz", ".qcow2"),
    ArtifactCategory.WORK_REQUEST_DEBUG_LOGS: _anything,
    ArtifactCategory.TEST: _anything,
    ArtifactCategory.SIGNING_INPUT: _something,
    ArtifactCategory.SIGNING_OUTPUT: _anything,
    ArtifactCategory.REPOSITORY_INDEX: _any_one,
}
