"""The settings of the server: one TOML file and its ``DEBUSINE_…`` twins, read once, into attrs classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, Factory, field, frozen

MiB = 1 << 20
GiB = 1 << 30


def _positive(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if value <= 0:
        message = f"{attribute.name} must be more than 0"
        raise ValueError(message)


@frozen(kw_only=True)
class Limits:
    """What the server accepts at most, ``[limits]``; bytes and seconds unless said otherwise."""

    #: Of a JSON body.
    json_body: int = field(default=MiB, validator=_positive)
    #: Of the JSON body that declares an artifact.
    artifact_body: int = field(default=16 * MiB, validator=_positive)
    #: Keys of one JSON object.
    json_keys: int = field(default=1000, validator=_positive)
    #: Characters of a JSON string.
    json_string: int = field(default=64 << 10, validator=_positive)
    #: Characters of a string in an artifact's data.
    data_string: int = field(default=MiB, validator=_positive)
    #: Items of one JSON array.
    json_array: int = field(default=10_000, validator=_positive)
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
    #: After which an unfinished upload that does not move is dropped.
    upload_idle: float = field(default=86_400.0, validator=_positive)
    #: Headers of one request.
    headers: int = field(default=64, validator=_positive)
    #: That a connection may be idle between two requests.
    keep_alive: float = field(default=75.0, validator=_positive)
    #: Without a byte of a body that was announced.
    slow_body: float = field(default=30.0, validator=_positive)
    #: Of one websocket message.
    websocket_frame: int = field(default=MiB, validator=_positive)
    #: Messages that wait for one slow websocket.
    websocket_queue: int = field(default=256, validator=_positive)
    #: Items on a page of a list, when the request does not say.
    page_size: int = field(default=10, validator=_positive)
    #: Items on a page of a list.
    max_page_size: int = field(default=500, validator=_positive)
    #: Between two pings on a websocket; half as long again in silence closes it.
    heartbeat: float = field(default=10.0, validator=_positive)
    #: That a worker may be disconnected before its work is given to another.
    worker_return: float = field(default=20.0, validator=_positive)
    #: That running work may be unclaimed after a restart of the server.
    restart_return: float = field(default=30.0, validator=_positive)
    #: That an assignment may wait to be fetched.
    assignment: float = field(default=30.0, validator=_positive)
    #: Between two looks for what a wake-up missed.
    sweep: float = field(default=5.0, validator=_positive)
    #: Of free space that no upload may take: the larger of the two, bytes and a part of the whole.
    free_space: int = field(default=GiB, validator=_positive)
    free_space_part: float = field(default=0.05, validator=_positive)


@frozen(kw_only=True)
class StoreSettings:
    """One file store, ``[stores.NAME]``."""

    backend: str
    #: The backend's own, as written; the plugin manager gives them their form.
    options: Mapping[str, Any] = Factory(dict)


@frozen(kw_only=True)
class SchedulerSettings:
    """How work is ordered, ``[scheduler]``."""

    policy: str = "fifo"
    #: The policy's own, as written.
    options: Mapping[str, Any] = Factory(dict)


@frozen(kw_only=True)
class Settings:
    """All settings of a server."""

    #: HOST:PORT.
    listen: str = "127.0.0.1:8000"
    #: None: SQLite in the data directory.
    database: str | None = None
    scope: str = "debusine"
    #: How users reach the server; None: by what their request says.
    public_url: str | None = None
    #: Addresses whose ``X-Forwarded-…`` headers are believed.
    trusted_proxies: tuple[str, ...] = ()
    data_dir: Path
    scheduler: SchedulerSettings = Factory(SchedulerSettings)
    stores: Mapping[str, StoreSettings] = Factory(dict)
    limits: Limits = Factory(Limits)

    @property
    def all_stores(self) -> Mapping[str, StoreSettings]:
        """The file stores; when none is named, one in the data directory."""
        directory = str(self.data_dir / "store")
        return self.stores or {"Default": StoreSettings(backend="local", options={"base_directory": directory})}

    @property
    def uploads(self) -> Path:
        """Where files are kept until they are whole."""
        return self.data_dir / "uploads"
