"""All that a plugin may import: the hooks' marker, the interfaces, and the nouns that they speak of."""

from debusine.converter.structure import InvalidFields, structure
from debusine.domain.artifacts import RelationType
from debusine.domain.demands import Demand, Metadata, TaskType, Verdict
from debusine.domain.errors import ConfigurationError, DebusineError, Invalid, StorageFull, Unavailable
from debusine.domain.files import ArtifactPath, Digest, File
from debusine.domain.lookups import MultipleLookup, SingleLookup, UnresolvedLookup
from debusine.domain.secrets import Secret
from debusine.domain.times import now
from debusine.domain.work_requests import Result
from debusine.plugin.file_store import (
    Damaged,
    FileMissing,
    FileStoreBackend,
    StoreData,
    StoredEntry,
    StoredObject,
    WriteFailed,
)
from debusine.plugin.hookspecs import hookimpl
from debusine.plugin.scheduler import QueueHead, SchedulerPolicy, Usage
from debusine.plugin.task import ArtifactFacts, CommandResult, Lookups, Task, TaskContext, TaskFailure
from debusine.plugin.threads import check_cancelled, in_thread

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
    "Invalid",
    "InvalidFields",
    "Lookups",
    "Metadata",
    "MultipleLookup",
    "QueueHead",
    "RelationType",
    "Result",
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
    "Unavailable",
    "UnresolvedLookup",
    "Usage",
    "Verdict",
    "WriteFailed",
    "check_cancelled",
    "hookimpl",
    "in_thread",
    "now",
    "structure",
]
