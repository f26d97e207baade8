"""How much the server takes, and how long it waits: ``[limits]``."""

from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen

MiB = 1 << 20
GiB = 1 << 30


def _positive(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if value <= 0:
        message = f"{attribute.name} must be more than 0"
        raise ValueError(message)


def _not_negative(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if value < 0:
        message = f"{attribute.name} must not be less than 0"
        raise ValueError(message)


def _at_most(most: int) -> Callable[[object, "Attribute[Any]", float], None]:
    def check(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
        if value > most:
            message = f"{attribute.name} must be {most} at most"
            raise ValueError(message)

    return check


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
    #: That an object stays when another store has got its file: who has begun to read it may go on so long.
    copy_removal: float = field(default=900.0, validator=_not_negative)
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
