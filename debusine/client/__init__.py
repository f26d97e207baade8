"""The API client of the command line and of the worker."""

from debusine.client.access import Access, InvalidApiUrl
from debusine.client.backoff import Backoff
from debusine.client.client import Client
from debusine.client.connection import Connection
from debusine.client.errors import (
    AlreadyThere,
    Busy,
    Conflicting,
    ContentRefused,
    Forbidden,
    Incomplete,
    InvalidAnswer,
    Missing,
    NotAmongFiles,
    NotInArtifact,
    Refused,
    SourceChanged,
    StaleAttempt,
    Unreachable,
    WrongContent,
)
from debusine.client.listening import Message
from debusine.client.transfer import Progress
from debusine.client.watching import Completion, Heard, Watch, WatchRefused
from debusine.client.worker import WorkerClient

__all__ = [
    "Access",
    "AlreadyThere",
    "Backoff",
    "Busy",
    "Client",
    "Completion",
    "Conflicting",
    "Connection",
    "ContentRefused",
    "Forbidden",
    "Heard",
    "Incomplete",
    "InvalidAnswer",
    "InvalidApiUrl",
    "Message",
    "Missing",
    "NotAmongFiles",
    "NotInArtifact",
    "Progress",
    "Refused",
    "SourceChanged",
    "StaleAttempt",
    "Unreachable",
    "Watch",
    "WatchRefused",
    "WorkerClient",
    "WrongContent",
]
