"""The worker's configuration: ``config.ini`` in the first directory that is there."""

import configparser
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from debusine.client import Access
from debusine.domain.errors import ConfigurationError
from debusine.logs import LogFormat

SECTION = "General"
#: Bytes.
CACHE_SIZE = 20 << 30
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class NoConfiguration(ConfigurationError):
    """There is no configuration of a worker."""

    def __init__(self, places: list[Path]) -> None:
        super().__init__(
            f"There is no config.ini in {' or '.join(map(str, places))}; "
            f"write {places[0]}/config.ini with [General] and api-url = http://SERVER:8000/api"
        )


class InvalidConfiguration(ConfigurationError):
    """A configuration cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {' '.join(reason.split())}")


@frozen(kw_only=True)
class Configuration:
    """All that a worker may be told."""

    #: Where ``config.ini``, ``token`` and ``activation-token`` are.
    directory: Path
    api_url: str
    log_file: Path | None = None
    log_level: str = "INFO"
    log_format: LogFormat = LogFormat.TEXT
    #: Reports that wait for the server.
    state_directory: Path
    #: Images.
    cache_directory: Path
    #: Bytes of images that are kept.
    cache_size: int = CACHE_SIZE
    #: Where runs have their directories; builds' users must be able to pass through all that leads there.
    work_directory: Path


def read_configuration(directory: Path | None = None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read the configuration in a directory, or in the first of the usual ones that is there."""
    places = [directory] if directory else usual_directories(environ)
    found = next((place for place in places if os.access(place / "config.ini", os.F_OK)), None)
    if found is None:
        raise NoConfiguration(places)
    path = found / "config.ini"
    values = _structured(_read(path), path)
    try:
        Access(api_url=values["api_url"])
    except ConfigurationError as error:
        raise InvalidConfiguration(path, str(error)) from error
    return Configuration(directory=found, **{**_default_places(found, environ), **values})


def usual_directories(environ: Mapping[str, str]) -> list[Path]:
    """Where a configuration may be, the first choice first."""
    home = Path(environ.get("HOME") or Path.home())
    return [home / ".config/debusine/worker", Path("/etc/debusine/worker")]


def _default_places(directory: Path, environ: Mapping[str, str]) -> dict[str, Path]:
    home = Path(environ.get("HOME") or Path.home())
    # Not below the home: builds' users must get there, and homes are often closed.
    temporary = Path(environ.get("TMPDIR") or "/var/tmp")  # noqa: S108 - Workplace checks whose it is
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]
    return {
        "state_directory": Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / "debusine/worker",
        "cache_directory": Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "debusine/worker",
        "work_directory": temporary / f"debusine-worker-{os.getuid()}-{name}",
    }


def _read(path: Path) -> Mapping[str, str]:
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=path.name)
        unknown = [name for name in parser.sections() if name != SECTION]
        if unknown or not parser.has_section(SECTION):
            raise InvalidConfiguration(path, f"it must have the section [{SECTION}] and no other")
        return dict(parser[SECTION])
    except (configparser.Error, OSError, ValueError) as error:
        raise InvalidConfiguration(path, str(error)) from error


def _structured(values: Mapping[str, str], path: Path) -> dict[str, Any]:
    unknown = sorted(values.keys() - KEYS.keys())
    if unknown:
        raise InvalidConfiguration(path, f"unknown key {unknown[0]!r}; known: {', '.join(KEYS)}")
    if not values.get("api-url"):
        raise InvalidConfiguration(path, "api-url is missing")
    structured = {}
    for key, text in values.items():
        try:
            structured[key.replace("-", "_")] = KEYS[key](text)
        except ValueError as error:
            raise InvalidConfiguration(path, f"{key}: {error}") from error
    return structured


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        message = f"{text!r} is none of {', '.join(LEVELS)}"
        raise ValueError(message)
    return text.upper()


def _format(text: str) -> LogFormat:
    if text not in set(LogFormat):
        message = f"{text!r} is none of {', '.join(LogFormat)}"
        raise ValueError(message)
    return LogFormat(text)


def _absolute(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        message = f"{text!r} is not an absolute path"
        raise ValueError(message)
    return path


def _size(text: str) -> int:
    number, unit = text.strip().upper().removesuffix("B").removesuffix("I"), 1
    if number[-1:] in UNITS:
        number, unit = number[:-1], UNITS[number[-1]]
    if not number.strip().isdecimal():
        message = f"{text!r} is not a size such as 20G"
        raise ValueError(message)
    return int(number) * unit


KEYS: dict[str, Callable[[str], Any]] = {
    "api-url": str,
    "log-file": _absolute,
    "log-level": _level,
    "log-format": _format,
    "state-directory": _absolute,
    "cache-directory": _absolute,
    "cache-size": _size,
    "work-directory": _absolute,
}
