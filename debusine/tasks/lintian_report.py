"""What lintian found, read from its JSON and written as artifacts of one architecture each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from debusine.plugin import DebusineError
from debusine.tasks.lintian_data import SEVERITIES

ALL_SEVERITIES = (*SEVERITIES, "classification")
LETTERS = dict(zip(ALL_SEVERITIES, "EWIPXOC", strict=True))

#: Bytes; more cannot be meant for people.
LARGEST = 256 << 20


class UnreadableReport(DebusineError):
    """Lintian did not say what it found, so that nobody knows whether there is anything."""

    def __init__(self, reason: str, returncode: int) -> None:
        super().__init__(f"Lintian ended with {returncode} and left no report: {reason}", detail="see lintian.log")


class NotLookedAt(DebusineError):
    """Lintian skipped files that it was given."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("Lintian cannot read these files as packages", detail=", ".join(names))


@frozen(kw_only=True)
class Hint:
    """One thing that lintian noticed."""

    package: str
    severity: str
    tag: str
    note: str
    #: A path in the package, with the line; empty: the package as a whole.
    pointer: str
    #: Why somebody overrode it; None: nobody did.
    comment: str | None


@frozen(kw_only=True)
class CheckedFile:
    """A package that lintian looked at, and what it noticed."""

    name: str
    package: str
    hints: tuple[Hint, ...]

    @property
    def architecture(self) -> str:
        """Its architecture; ``source`` for a .dsc."""
        stem, _, suffix = self.name.rpartition(".")
        return "source" if suffix == "dsc" else stem.rpartition("_")[2]


@frozen(kw_only=True)
class LintianReport:
    """All that one run of lintian said."""

    lintian_version: str
    files: tuple[CheckedFile, ...]

    @classmethod
    def read(cls, path: Path, returncode: int, *, expected: Sequence[str]) -> "LintianReport":
        """Read the JSON, whatever the exit status: 2 means findings or a missing file, so it decides nothing."""
        if path.stat().st_size > LARGEST:
            raise UnreadableReport(f"it is larger than {LARGEST >> 20} MiB", returncode)
        try:
            value = json.loads(path.read_bytes())
            report = cls(lintian_version=str(value["lintian_version"]), files=tuple(_files(value["groups"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableReport(f"{type(error).__name__}: {error}", returncode) from error
        missing = sorted(set(expected) - {file.name for file in report.files})
        if missing:
            raise NotLookedAt(missing)
        return report

    @property
    def architectures(self) -> list[str]:
        """The architectures of what was looked at, sorted."""
        return sorted({file.architecture for file in self.files})


@frozen(kw_only=True)
class Analysis:
    """What was noticed in the packages of one architecture, as it is kept in an artifact."""

    architecture: str
    distribution: str
    lintian_version: str
    files: tuple[CheckedFile, ...]
    hints: tuple[Hint, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """The figures that the artifact's data shows; classifications are no findings, so they are only counted."""
        severities = [hint.severity for hint in self.hints]
        told = {hint.tag for hint in self.hints if hint.severity not in {"overridden", "classification"}}
        return {
            "tags_count_by_severity": {severity: severities.count(severity) for severity in ALL_SEVERITIES},
            "package_filename": {file.package: file.name for file in self.files},
            "tags_found": sorted(told),
            "overridden_tags_found": sorted({hint.tag for hint in self.hints if hint.severity == "overridden"}),
            "lintian_version": self.lintian_version,
            "distribution": self.distribution,
        }

    def write(self, directory: Path) -> dict[str, Path]:
        """Write the artifact's files: one for programs, one for people."""
        directory.mkdir()
        files = {name: directory / name for name in ("analysis.json", "lintian.txt")}
        tags = [asdict(hint) for hint in self.hints]
        files["analysis.json"].write_text(
            json.dumps({"version": "1.0", "summary": self.summary, "tags": tags}, indent=1)
        )
        files["lintian.txt"].write_text("".join(self._lines()))
        return files

    def _lines(self) -> Iterator[str]:
        kind = " source" if self.architecture == "source" else ""
        for hint in self.hints:
            if hint.severity != "classification":
                words = [f"{LETTERS[hint.severity]}: {hint.package}{kind}: {hint.tag}", hint.note, hint.pointer]
                yield " ".join(word for word in words if word) + "\n"


def _files(groups: Sequence[Mapping[str, Any]]) -> Iterator[CheckedFile]:
    for group in groups:
        for file in group["input_files"]:
            name = Path(file["path"]).name
            package = str(group["source_name"]) if name.endswith(".dsc") else name.partition("_")[0]
            hints = sorted((_hint(package, hint) for hint in file["hints"]), key=_order)
            yield CheckedFile(name=name, package=package, hints=tuple(hints))


def _hint(package: str, value: Mapping[str, Any]) -> Hint:
    override = value.get("override")
    return Hint(
        package=package,
        severity=_severity(value),
        tag=str(value["tag"]),
        note=str(value.get("note") or ""),
        pointer=_pointer(value.get("pointer") or {}),
        comment=None if override is None else str(override.get("justification") or ""),
    )


def _severity(value: Mapping[str, Any]) -> str:
    if value.get("override") is not None:
        return "overridden"
    severity = "experimental" if value.get("experimental") else value["visibility"]
    if severity not in ALL_SEVERITIES:
        message = f"unknown visibility {severity!r}"
        raise ValueError(message)
    return str(severity)


def _pointer(value: Mapping[str, Any]) -> str:
    name, line = (value.get("item") or {}).get("name", ""), value.get("line_position", 0)
    if not name:
        return ""
    return f"[{name}:{line}]" if line else f"[{name}]"


def _order(hint: Hint) -> tuple[int, str, str, str]:
    return ALL_SEVERITIES.index(hint.severity), hint.tag, hint.note, hint.pointer
