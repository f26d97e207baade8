"""Reading the settings: a command's options, the environment and the file, each mistake with its place."""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve

from debusine.config.environment import PREFIX, Environment
from debusine.config.limits import Limits
from debusine.config.settings import GIVEN, MethodSettings, SchedulerSettings, Settings, StoreSettings
from debusine.converter.structure import InvalidFields, structure
from debusine.domain.errors import ConfigurationError

FILE_NAME = "debusine.toml"


class UnreadableFile(ConfigurationError):
    """The configuration file cannot be read, or is not TOML."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class InvalidSettings(ConfigurationError):
    """Settings do not fit; each is named by its file and path, or by where else it comes from."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {message}" for place, message in problems))


def read_settings(
    *,
    config: Path | None = None,
    data_dir: Path | None = None,
    listen: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings, from the options of a command, the environment and the file, the first of them that says something.

    Raises ``UnreadableFile`` and ``InvalidSettings``, each in one line.
    """
    directory = data_dir or _path(environ, "DATA_DIR") or default_data_dir(environ)
    source = _find(config or _path(environ, "CONFIG"), directory)
    values = _read(source) if source else {}
    unknown = [(f"{source}: {path}", message) for path, message in _unknown(values)]
    overlay = Environment(environ, values)
    values, origins = overlay.merged()
    unknown += overlay.strays()
    if unknown:
        raise InvalidSettings(unknown)
    if listen is not None:
        values["listen"], origins["listen"] = listen, "--listen"
    return evolve(_structured(values, directory.absolute(), source, origins), source=source)


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the server keeps what is its own, unless somebody says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/debusine")
    home = environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local/share") / "debusine"


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(value) if (value := environ.get(PREFIX + name)) else None


def _find(named: Path | None, directory: Path) -> Path | None:
    if named is not None:
        return named
    usual = directory / FILE_NAME
    return usual if usual.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UnreadableFile(path, f"is not valid TOML: {reason}") from error


def _structured(values: dict[str, Any], directory: Path, source: Path | None, origins: Mapping[str, str]) -> Settings:
    try:
        return structure({**values, "data_dir": str(directory)}, Settings)
    except InvalidFields as error:
        found = (error.validation_errors or {}).items()
        problems = [(origins.get(path, f"{source}: {path}"), " ".join(messages)) for path, messages in found]
        raise InvalidSettings(problems) from error


def _unknown(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every key of the file that is no setting, with what to do."""
    yield from _unknown_in(Settings, values, "")
    for section, class_ in (("scheduler", SchedulerSettings), ("limits", Limits)):
        yield from _unknown_in(class_, values.get(section), f"{section}.")
    stores = values.get("stores")
    for name, store in stores.items() if isinstance(stores, dict) else ():
        yield from _unknown_in(StoreSettings, store, f"stores.{name}.")
    methods = values.get("notifications")
    for name, method in methods.items() if isinstance(methods, dict) else ():
        yield from _unknown_in(MethodSettings, method, f"notifications.{name}.")


def _unknown_in(class_: type[Any], values: object, prefix: str) -> Iterator[tuple[str, str]]:
    known = {field.name for field in attrs.fields(class_)} - (GIVEN if class_ is Settings else set())
    for key in sorted(values.keys() - known) if isinstance(values, dict) else ():
        close = get_close_matches(key, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
        yield f"{prefix}{key}", f"there is no such setting; {hint}"
