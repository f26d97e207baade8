"""All that a plugin may import: the hooks' marker, the interfaces, and the nouns that they speak of."""

from debusine.converter.structure import InvalidFields, structure
from debusine.domain.addresses import InvalidAddress, check_address
from debusine.domain.artifacts import RelationType
from debusine.domain.demands import Demand, Metadata, TaskType, Verdict
from debusine.domain.errors import ConfigurationError, DebusineError, Invalid, StorageFull, Unavailable
from debusine.domain.files import ArtifactPath, Digest, File
from debusine.domain.lookups import MultipleLookup, SingleLookup, UnresolvedLookup
from debusine.domain.notifications import NotificationChannel, ReactionEvent
from debusine.domain.secrets import Secret
from debusine.domain.times import now
from debusine.domain.work_requests import Result
from debusine.plugin.elsewhere import NotRunHere, RunElsewhere
from debusine.plugin.file_store import (
    Damaged,
    FileMissing,
    FileStoreBackend,
    Finding,
    Grade,
    PartsGone,
    StoreData,
    StoredEntry,
    StoredObject,
    WriteFailed,
)
from debusine.plugin.hookspecs import hookimpl
from debusine.plugin.notification import (
    Notification,
    NotificationMethod,
    PermanentFailure,
    Receipt,
    TemporaryFailure,
)
from debusine.plugin.object_keys import ObjectKey, data_of, is_key, key_of, new_key
from debusine.plugin.scheduler import QueueHead, SchedulerPolicy, Usage
from debusine.plugin.task import ArtifactFacts, CommandResult, Lookups, Task, TaskContext, TaskFailure
from debusine.plugin.threads import Threads, check_cancelled, in_thread

__all__ = [
    "ArtifactFacts",
    "ArtifactPath",
    "CommandResult",
    "ConfigurationError",
    "Damaged",
    "DebusineError",
    "Demand",
    "Digest",
    "File",
    "FileMissing",
    "FileStoreBackend",
    "Finding",
    "Grade",
    "Invalid",
    "InvalidAddress",
    "InvalidFields",
    "Lookups",
    "Metadata",
    "MultipleLookup",
    "NotRunHere",
    "Notification",
    "NotificationChannel",
    "NotificationMethod",
    "ObjectKey",
    "PartsGone",
    "PermanentFailure",
    "QueueHead",
    "ReactionEvent",
    "Receipt",
    "RelationType",
    "Result",
    "RunElsewhere",
    "SchedulerPolicy",
    "Secret",
    "SingleLookup",
    "StorageFull",
    "StoreData",
    "StoredEntry",
    "StoredObject",
    "Task",
    "TaskContext",
    "TaskFailure",
    "TaskType",
    "TemporaryFailure",
    "Threads",
    "Unavailable",
    "UnresolvedLookup",
    "Usage",
    "Verdict",
    "WriteFailed",
    "check_address",
    "check_cancelled",
    "data_of",
    "hookimpl",
    "in_thread",
    "is_key",
    "key_of",
    "new_key",
    "now",
    "structure",
]
