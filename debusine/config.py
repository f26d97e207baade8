"""The settings of the server: one TOML file and its ``DEBUSINE_…`` twins, read once, into attrs classes."""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import attrs
from attrs import Attribute, Factory, evolve, field, frozen

from debusine.converter.structure import InvalidFields, structure
from debusine.domain.errors import ConfigurationError
from debusine.domain.workspaces import DEFAULT_STORE
from debusine.logs import LogFormat

MiB = 1 << 20
GiB = 1 << 30

FILE_NAME = "debusine.toml"
#: What a variable is called that means a setting, and what stands between the parts of its path.
PREFIX, SEPARATOR = "DEBUSINE_", "__"
#: How the variables begin that are for notification methods, in capital letters.
METHOD_VARIABLES = f"{PREFIX}NOTIFICATIONS{SEPARATOR}"


class UnreadableFile(ConfigurationError):
    """The configuration file cannot be read, or is not TOML."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class InvalidSettings(ConfigurationError):
    """Settings do not fit; each is named by its file and path, or by where else it comes from."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {message}" for place, message in problems))


def _positive(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if value <= 0:
        message = f"{attribute.name} must be more than 0"
        raise ValueError(message)


def _at_most(most: int) -> Callable[[object, "Attribute[Any]", float], None]:
    def check(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
        if value > most:
            message = f"{attribute.name} must be {most} at most"
            raise ValueError(message)

    return check


def _host_and_port(_instance: object, _attribute: object, value: str) -> None:
    host, port = split_address(value)
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        message = f"{value!r} is not HOST:PORT, for instance 127.0.0.1:8000"
        raise ValueError(message)


def _in_urls(_instance: object, _attribute: object, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", value) or value in {"api", "health", "metrics"}:
        message = (
            f"{value!r} cannot stand in a URL: use letters, digits and any of + . _ -, and not api, health or metrics"
        )
        raise ValueError(message)


def _absolute_url(_instance: object, _attribute: object, value: str | None) -> None:
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        message = f"{value!r} is not a URL such as https://farm.example.org"
        raise ValueError(message)


def _networks(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    for network in value:
        ip_network(network)  # a ValueError that says which


@frozen(kw_only=True)
class Limits:
    """What the server accepts at most, ``[limits]``; bytes and seconds unless said otherwise."""

    #: Of a JSON body.
    json_body: int = field(default=MiB, validator=_positive)
    #: Of the JSON body that declares an artifact.
    artifact_body: int = field(default=16 * MiB, validator=_positive)
    #: Of all large JSON bodies that one server holds at a time.
    json_bodies: int = field(default=256 * MiB, validator=_positive)
    #: Objects and arrays inside one another in a JSON body.
    json_depth: int = field(default=32, validator=[_positive, _at_most(100)])
    #: Strings, numbers, objects and so on in one JSON body, all together.
    json_values: int = field(default=250_000, validator=_positive)
    #: Keys of one JSON object.
    json_keys: int = field(default=1000, validator=_positive)
    #: Characters of a JSON string.
    json_string: int = field(default=64 << 10, validator=_positive)
    #: Characters of a string in an artifact's data.
    data_string: int = field(default=MiB, validator=_positive)
    #: Items of one JSON array.
    json_array: int = field(default=10_000, validator=_positive)
    #: Of the JSON body by which a worker tells what it can do.
    metadata: int = field(default=64 << 10, validator=_positive)
    #: Items of one array in what a worker tells.
    metadata_array: int = field(default=1000, validator=_positive)
    #: Files in one artifact.
    artifact_files: int = field(default=10_000, validator=_positive)
    #: Of the body of one upload request.
    chunk: int = field(default=64 * MiB, validator=_positive)
    #: Of one file.
    file: int = field(default=50 * GiB, validator=_positive)
    #: Of all files of one artifact.
    artifact: int = field(default=200 * GiB, validator=_positive)
    #: Unfinished uploads of one user.
    open_uploads: int = field(default=10_000, validator=_positive)
    #: After the last byte of an unfinished upload; then it is forgotten.
    upload_idle: float = field(default=86_400.0, validator=_positive)
    #: Unknown keys and wrong passwords from one address in a minute.
    bad_credentials: int = field(default=20, validator=_positive)
    #: Headers of one request.
    headers: int = field(default=64, validator=_positive)
    #: That a connection may be idle between two requests.
    keep_alive: float = field(default=75.0, validator=_positive)
    #: Without a byte of a body that was announced.
    slow_body: float = field(default=30.0, validator=_positive)
    #: Without a byte of an answer being taken by who asked for it.
    slow_reader: float = field(default=60.0, validator=_positive)
    #: Of one websocket message.
    websocket_frame: int = field(default=MiB, validator=_positive)
    #: Messages that come in on one websocket within a minute.
    websocket_rate: int = field(default=256, validator=_positive)
    #: Messages that wait for one websocket whose reader is slow.
    websocket_queue: int = field(default=256, validator=_positive)
    #: Items on a page of a list, when the request does not say.
    page_size: int = field(default=10, validator=_positive)
    #: Items on a page of a list.
    max_page_size: int = field(default=500, validator=_positive)
    #: Of the items on a page of a list; it ends with the one that goes beyond.
    page_bytes: int = field(default=8 * MiB, validator=_positive)
    #: Between two pings on a websocket; half as long again in silence closes it.
    heartbeat: float = field(default=10.0, validator=_positive)
    #: That a worker may be disconnected before its work is given to another.
    worker_return: float = field(default=20.0, validator=_positive)
    #: That running work may be unclaimed after a restart of the server.
    restart_return: float = field(default=30.0, validator=_positive)
    #: That an assignment may wait to be fetched.
    assignment: float = field(default=30.0, validator=_positive)
    #: That an attempt may run beyond its own limit before the server ends it.
    overtime: float = field(default=60.0, validator=_positive)
    #: Between two questions to a worker what it can do.
    metadata_interval: float = field(default=3600.0, validator=_positive)
    #: Between two looks for what a wake-up missed.
    sweep: float = field(default=5.0, validator=_positive)
    #: Of free space that no upload may take: the larger of the two, bytes and a part of the whole.
    free_space: int = field(default=GiB, validator=_positive)
    free_space_part: float = field(default=0.05, validator=_positive)
    #: Of one notification method, at the same time.
    notification_calls: int = field(default=4, validator=_positive)
    #: That one such call may take.
    notification_call: float = field(default=60.0, validator=_positive)
    #: Before a notification is tried a second time; each time twice as long, an hour at most.
    notification_backoff: float = field(default=10.0, validator=_positive)
    #: That a notification is tried again and again before it is given up.
    notification_patience: float = field(default=259_200.0, validator=_positive)
    #: That a notification is remembered after it was delivered or given up.
    notification_memory: float = field(default=2_592_000.0, validator=_positive)


@frozen(kw_only=True)
class StoreSettings:
    """One file store, ``[stores.NAME]``."""

    backend: str
    #: The backend's own, as written; the plugin manager gives them their form.
    options: Mapping[str, Any] = Factory(dict)


@frozen(kw_only=True)
class MethodSettings:
    """One notification method, ``[notifications.NAME]``."""

    #: The method's own, as written; the plugin manager gives them their form.
    options: Mapping[str, Any] = Factory(dict)


@frozen(kw_only=True)
class SchedulerSettings:
    """How work is ordered, ``[scheduler]``."""

    policy: str = "fifo"
    #: The policy's own, as written.
    options: Mapping[str, Any] = Factory(dict)


def _with_default(_instance: object, _attribute: object, value: Mapping[str, StoreSettings]) -> None:
    for name in value:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            message = f"{name!r} cannot be the name of a store: use letters, digits, _ and -"
            raise ValueError(message)
    if value and DEFAULT_STORE not in value:
        message = f"one of the stores must be named {DEFAULT_STORE}; there are only {', '.join(sorted(value))}"
        raise ValueError(message)


#: Fields of ``Settings`` that no file can set.
_GIVEN = {"data_dir", "source"}


@frozen(kw_only=True)
class Settings:
    """All settings of a server."""

    #: HOST:PORT; port 0 takes any that is free.
    listen: str = field(default="127.0.0.1:8000", validator=_host_and_port)
    #: For instance ``postgresql:///debusine``; none: SQLite in the data directory.
    database: str | None = field(default=None, repr=False)
    #: The first part of the paths of pages and downloads.
    scope: str = field(default="debusine", validator=_in_urls)
    #: How users reach the server; none: by what their request says.
    public_url: str | None = field(default=None, validator=_absolute_url)
    #: Addresses and networks of proxies whose ``X-Forwarded-…`` headers are believed.
    trusted_proxies: tuple[str, ...] = field(default=(), validator=_networks)
    #: Addresses and networks that may read ``/metrics``, asked directly or through a trusted proxy; none: nobody.
    metrics_from: tuple[str, ...] = field(default=("127.0.0.0/8", "::1"), validator=_networks)
    #: How the log is written: ``text`` or ``json``.
    log_format: LogFormat = LogFormat.TEXT
    #: Where the server keeps what is its own.
    data_dir: Path
    scheduler: SchedulerSettings = Factory(SchedulerSettings)
    #: By name.
    stores: Mapping[str, StoreSettings] = field(factory=dict, validator=_with_default)
    #: By the method's name.
    notifications: Mapping[str, MethodSettings] = Factory(dict)
    limits: Limits = Factory(Limits)
    #: The file that the settings come from.
    source: Path | None = field(default=None, metadata={"setting": False})

    @property
    def all_stores(self) -> Mapping[str, StoreSettings]:
        """The file stores; when none is named, one in the data directory."""
        directory = str(self.data_dir / "store")
        return self.stores or {DEFAULT_STORE: StoreSettings(backend="local", options={"base_directory": directory})}

    @property
    def uploads(self) -> Path:
        """Where files are kept until they are whole."""
        return self.data_dir / "uploads"

    @property
    def admin_socket(self) -> Path:
        """Where the server answers the operator's commands."""
        return self.data_dir / "admin.sock"

    @property
    def sqlite(self) -> Path:
        """The embedded database."""
        return self.data_dir / "debusine.sqlite"


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
    overlay = _Environment(environ, values)
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


def split_address(listen: str) -> tuple[str, str]:
    """The host and the port of HOST:PORT; an IPv6 address stands in brackets."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


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
    known = {field.name for field in attrs.fields(class_)} - (_GIVEN if class_ is Settings else set())
    for key in sorted(values.keys() - known) if isinstance(values, dict) else ():
        close = get_close_matches(key, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
        yield f"{prefix}{key}", f"there is no such setting; {hint}"


class _Environment:
    """The variables that stand for settings, laid over what the file says."""

    def __init__(self, environ: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self.values = values
        self.variables = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
        self.twins = {_variable(path): (path, type_) for path, type_ in self._settings()}

    def merged(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The values with those of the environment, and by path the variable that each of these came from."""
        merged: dict[str, Any] = {**self.values}
        origins = {}
        for variable, text in self.variables.items():
            if variable.upper() in self.twins:
                path, type_ = self.twins[variable.upper()]
                _put(merged, path, _parsed(text, type_))
                origins[".".join(path)] = variable
        return merged, origins

    def strays(self) -> list[tuple[str, str]]:
        """The variables that set nothing."""
        known = {*self.twins, PREFIX + "CONFIG", PREFIX + "DATA_DIR"}
        options = tuple(_variable((*place, "options", "")) for place in (("scheduler",), *self._stores()))
        # Which methods there are is known only to the plugins: services.notification_methods looks for strays there.
        options += (METHOD_VARIABLES,)
        strays = [name for name in self.variables if name.upper() not in known and not name.upper().startswith(options)]
        return [(name, "this variable of the environment sets nothing") for name in sorted(strays)]

    def _settings(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        sections = [((), Settings), (("scheduler",), SchedulerSettings), (("limits",), Limits)]
        for place, class_ in (*sections, *((place, StoreSettings) for place in self._stores())):
            for name, type_ in get_type_hints(class_).items():
                if name not in _GIVEN and type_ in _SCALARS:
                    yield (*place, name), type_

    def _stores(self) -> list[tuple[str, ...]]:
        stores = self.values.get("stores")
        return [("stores", name) for name in (stores if isinstance(stores, dict) else {}) or (DEFAULT_STORE,)]


_SCALARS = (str, str | None, int, float, tuple[str, ...], LogFormat)


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + SEPARATOR.join(re.sub(r"\W", "_", part, flags=re.ASCII) for part in path).upper()


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *sections, name = path
    for section in sections:
        inner = values.get(section, {})
        values[section] = values = {**inner} if isinstance(inner, dict) else {}
    values[name] = value


def _parsed(text: str, type_: Any) -> object:
    """A variable's text as the type wants it; what does not fit stays text, and the converter says what is wrong."""
    if type_ is tuple[str, ...] or type_ == tuple[str, ...]:
        return [part.strip() for part in text.split(",")]
    try:
        return type_(text) if type_ in {int, float} else text
    except ValueError:
        return text
