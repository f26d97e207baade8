"""What users give beside options: YAML from a file or standard input, moments, names of files."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from debusine.cli.output import tell
from debusine.converter.json import dumps, loads
from debusine.domain.errors import Invalid
from debusine.domain.files import ArtifactPath

STDIN = "-"


class InvalidYaml(Invalid):
    """What was given as YAML is none, or not a mapping."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} is not the YAML that is needed", detail=reason)


class InvalidMoment(Invalid):
    """What was given as a date and time is none."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a date and time: write it like 2027-01-31T12:00:00Z")


class SameName(Invalid):
    """Two files would have the same path in the artifact."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Two files would be {path} in the artifact; files given by absolute path lose their directory"
        )


def read_mapping(source: str) -> dict[str, Any]:
    """A YAML mapping from a file, ``-``: standard input; nothing at all is an empty one."""
    name = "Standard input" if source == STDIN else source
    try:
        value = yaml.safe_load(_text(source))
        # Through JSON, so that what cannot travel is told before anything is sent.
        value = {} if value is None else loads(dumps(value))
    except yaml.YAMLError as error:
        raise InvalidYaml(name, " ".join(str(error).split())) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidYaml(name, str(error)) from error
    if not isinstance(value, dict):
        raise InvalidYaml(name, "it must be a mapping: lines of the form 'key: value'")
    return value


def _text(source: str) -> str:
    if source != STDIN:
        return Path(source).read_text(encoding="utf-8")
    if sys.stdin.isatty():
        tell("Write the data as YAML, and end with Ctrl-D on a line of its own:")
    return sys.stdin.read()


def read_moment(text: str | None) -> datetime | None:
    """A moment in ISO 8601; without a time zone it is local time."""
    try:
        return datetime.fromisoformat(text).astimezone() if text else None
    except (ValueError, OverflowError):
        raise InvalidMoment(text or "") from None


def local_files(names: Sequence[str], base: Path | None) -> dict[str, Path]:
    """The files to upload by their path in the artifact: as given when relative, else the name alone.

    Relative paths begin at ``base``.
    """
    files: dict[str, Path] = {}
    for name in names:
        given = Path(name)
        path = ArtifactPath(given.name if given.is_absolute() else given.as_posix())
        if path in files:
            raise SameName(path)
        files[path] = (base or Path()) / given
    return files
