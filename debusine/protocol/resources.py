"""The JSON objects of the API, as attrs classes.

*Submissions* are what clients and workers send: a server reads them strictly. *Resources* are what it answers: a
client reads them leniently, so that a newer server may add keys.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from attrs import Factory, field, frozen, validators

from debusine.domain.artifacts import RelationType
from debusine.domain.files import ArtifactPath
from debusine.domain.work_requests import DEFAULT_TIMEOUT, MAX_PRIORITY_ADJUSTMENT, MAX_TIMEOUT, Result

NAME_LENGTH = 255

#: What operators are shown, on terminals, too.
DOMAIN_NAME = r"[A-Za-z0-9._:-]{1,400}"

#: What JSON Schema says of the checksums that are taken, beyond their type.
CHECKSUMS = {
    "properties": {"sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
    "required": ["sha256"],
    "additionalProperties": False,
}


@frozen(kw_only=True)
class FileSubmission:
    """A file that an artifact is to have."""

    #: Bytes.
    size: int = field(validator=[validators.ge(0), validators.lt(2**63)])
    #: Algorithm → hash in hexadecimal; ``sha256`` is the one that counts.
    checksums: dict[str, str] = field(metadata={"schema": CHECKSUMS})
    type: Literal["file"] = "file"
    content_type: str | None = field(default=None, validator=validators.optional(validators.max_len(NAME_LENGTH)))


@frozen(kw_only=True)
class ArtifactSubmission:
    """An artifact to be made."""

    category: str = field(validator=[validators.min_len(1), validators.max_len(NAME_LENGTH)])
    #: None: the default workspace.
    workspace: str | None = None
    files: dict[ArtifactPath, FileSubmission] = Factory(dict)
    data: dict[str, Any]
    work_request: int | None = None
    expire_at: datetime | None = None
    #: An ISO 8601 duration or seconds; 0: never expires.
    expiration_delay: str | int | None = None


@frozen(kw_only=True)
class FileResource:
    """A file in an artifact."""

    size: int
    checksums: dict[str, str]
    type: str = "file"
    #: Absolute and percent-encoded.
    url: str
    content_type: str | None = None


@frozen(kw_only=True)
class ArtifactResource:
    """An artifact."""

    id: int
    url: str
    scope: str = ""
    workspace: str
    category: str
    data: dict[str, Any]
    created_at: datetime
    expire_at: datetime | None = None
    download_tar_gz_url: str
    #: The paths of which bytes are missing, sorted.
    files_to_upload: list[str]
    #: By path, sorted.
    files: dict[str, FileResource] = Factory(dict)


@frozen(kw_only=True)
class RelationSubmission:
    """A relation to be made."""

    artifact: int
    target: int
    type: RelationType


@frozen(kw_only=True)
class RelationResource:
    """A relation between two artifacts."""

    id: int
    artifact: int
    target: int
    type: RelationType


@frozen(kw_only=True)
class WorkRequestSubmission:
    """A work request to be made."""

    task_name: str
    task_data: dict[str, Any] = Factory(dict)
    event_reactions: dict[str, Any] = Factory(dict)
    #: None: the default workspace.
    workspace: str | None = None
    #: Seconds that an attempt may run.
    timeout: int = field(default=DEFAULT_TIMEOUT, validator=[validators.ge(1), validators.le(MAX_TIMEOUT)])


@frozen(kw_only=True)
class WorkRequestUpdate:
    """What is to change in a work request."""

    priority_adjustment: int = field(
        validator=[validators.ge(-MAX_PRIORITY_ADJUSTMENT), validators.le(MAX_PRIORITY_ADJUSTMENT)]
    )


@frozen(kw_only=True)
class EmptySubmission:
    """A request that says all by its address: an object without keys, or no body."""


@frozen(kw_only=True)
class WorkRequestResource:
    """A work request."""

    id: int
    url: str
    task_type: str
    task_name: str
    task_data: dict[str, Any]
    dynamic_task_data: dict[str, Any] | None = None
    status: str
    #: Empty while it has not ended.
    result: str
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    #: Seconds.
    duration: float | None = None
    worker: int | None = None
    created_by: int | None = None
    aborted_by: int | None = None
    #: The work request that was tried again by this one.
    supersedes: int | None = None
    #: The work request by which this one was tried again.
    superseded_by: int | None = None
    priority_base: int
    priority_adjustment: int
    workflow_data: dict[str, Any] | None = None
    event_reactions: dict[str, Any] | None = None
    #: The artifacts that it made, by id, ascending.
    artifacts: list[int]
    scope: str = ""
    workspace: str
    output_data: dict[str, Any] | None = None
    #: Seconds that an attempt may run; None: the server does not say.
    timeout: int | None = None
    #: The number of the latest attempt; None: the server does not say.
    attempt: int | None = None


@frozen(kw_only=True)
class WorkRequestPage:
    """A page of the list of work requests, newest first."""

    #: Absolute; None: this is the last page.
    next: str | None = None
    previous: str | None = None
    results: list[WorkRequestResource]


@frozen(kw_only=True)
class WorkerRegistration:
    """What a worker says when it introduces itself."""

    token: str = field(validator=[validators.min_len(8), validators.max_len(64)])
    fqdn: str = field(validator=validators.matches_re(DOMAIN_NAME))
    worker_type: Literal["external", "signing", "celery"] = "external"


@frozen(kw_only=True)
class RuntimeStatistics:
    """What a run cost."""

    #: Seconds.
    duration: int | None = None
    #: Seconds.
    cpu_time: int | None = None
    #: Bytes.
    disk_space: int | None = None
    #: Bytes.
    memory: int | None = None
    #: Bytes.
    available_disk_space: int | None = None
    #: Bytes.
    available_memory: int | None = None
    cpu_count: int | None = None


@frozen(kw_only=True)
class OutputError:
    """Why a run ended with ``error``."""

    message: str
    #: For instance ``setup-failed``, ``configure-failed``, ``execute-failed``, ``timeout``.
    code: str


@frozen(kw_only=True)
class OutputData:
    """What a worker tells beside the result."""

    runtime_statistics: RuntimeStatistics | None = None
    errors: list[OutputError] | None = None
    skip_reason: str | None = None
    regression_analysis: dict[str, Any] | None = None


def _ends(_instance: object, _attribute: object, value: Result) -> None:
    if value is Result.NONE:
        message = "This must be success, failure, error or skipped."
        raise ValueError(message)


@frozen(kw_only=True)
class CompletionReport:
    """How an attempt ended."""

    result: Result = field(
        validator=_ends, metadata={"schema": {"enum": [each.value for each in Result if each is not Result.NONE]}}
    )
    output_data: OutputData | None = None


@frozen(kw_only=True)
class Caller:
    """As whom the server knows the one who asks."""

    #: The user's name; None: a worker, or nobody known.
    user: str | None
    #: Whether a good token came with the request.
    auth: bool
    #: Whether it is a worker's.
    worker_token: bool


@frozen(kw_only=True)
class UnfinishedTasks:
    """Work requests that are still to end."""

    pending: int
    running: int


@frozen(kw_only=True)
class WorkerNumbers:
    """Workers of one type."""

    registered: int
    connected: int
    #: Of those that are connected.
    idle: int
    #: Of those that are connected.
    busy: int


@frozen(kw_only=True)
class ConnectedWorkers:
    """Connected workers of one architecture."""

    connected: int
    #: Of these.
    busy: int


@frozen(kw_only=True)
class ServiceStatus:
    """How busy the farm is."""

    #: By the tasks' type: Worker, Server …
    tasks: dict[str, UnfinishedTasks]
    #: By the workers' type: external …
    workers: dict[str, WorkerNumbers]
    #: The tasks of workers, by name.
    worker_tasks: dict[str, UnfinishedTasks]
    #: By each architecture that a worker can work for.
    external_workers_arch: dict[str, ConnectedWorkers]
    #: By the architecture that a worker is of.
    external_workers_host_arch: dict[str, ConnectedWorkers]
    #: The tasks of workers, by the architecture that they ask for, or ``any``.
    worker_tasks_arch: dict[str, UnfinishedTasks]


Scalar = str | int | float | bool | None
#: What a worker says of itself: a flat object.
DynamicMetadata = Mapping[str, Scalar | list[Scalar]]
