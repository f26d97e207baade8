"""The settings as classes: their names, types and defaults are those of the file."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import Factory, field, frozen

from debusine.config.limits import Limits
from debusine.domain.stores import StorePolicies
from debusine.domain.workspaces import DEFAULT_STORE
from debusine.logs import LogFormat

#: Fields of ``Settings`` that no file can set.
GIVEN = {"data_dir", "source"}


def split_address(listen: str) -> tuple[str, str]:
    """The host and the port of HOST:PORT; an IPv6 address stands in brackets."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


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
class StoreSettings(StorePolicies):
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


def _without_contradictions(_instance: object, _attribute: object, value: Mapping[str, StoreSettings]) -> None:
    for name, store in value.items():
        reason = store.contradiction()
        if reason is None and store.drain_to is not None and (store.drain_to == name or store.drain_to not in value):
            reason = f"drain_to must name another of the stores, not {store.drain_to!r}"
        if reason is not None:
            message = f"{name}: {reason}"
            raise ValueError(message)


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
    stores: Mapping[str, StoreSettings] = field(factory=dict, validator=[_with_default, _without_contradictions])
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
