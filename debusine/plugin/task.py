"""The interface of a task: what a worker can run, checked and matched by the server, run by the worker."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from attrs import Factory, frozen

from debusine.domain.artifacts import RelationType
from debusine.domain.demands import Demand, Metadata, TaskType, Verdict
from debusine.domain.errors import DebusineError
from debusine.domain.lookups import MultipleLookup, SingleLookup
from debusine.domain.work_requests import Result

D = TypeVar("D")  # the Data class of a task


class TaskFailure(DebusineError):
    """The task cannot be done because of what it was given; ends it with ``failure``, the title in its log."""


@frozen(kw_only=True)
class ArtifactFacts:
    """What a task may know of an artifact before it fetches any file."""

    id: int
    category: str
    data: Mapping[str, Any]
    #: Path → size in bytes.
    files: Mapping[str, int] = Factory(dict)


@frozen(kw_only=True)
class CommandResult:
    """How a command ended."""

    #: The exit status; negative: killed by this signal.
    returncode: int
    #: Where its standard output went.
    stdout: Path
    #: Where its standard error went; the same file unless they were kept apart.
    stderr: Path


class Lookups(ABC):
    """Resolves the lookups of task data, in the work request's workspace, inside a transaction."""

    @abstractmethod
    def single(self, lookup: SingleLookup, *, categories: Collection[str] = (), field: str = "") -> ArtifactFacts:
        """The artifact that a lookup names; ``UnresolvedLookup`` when there is none, or of another category.

        ``field``: where the lookup stands in the data, for the error: ``input.source_artifact``.
        """

    @abstractmethod
    def multiple(
        self, lookup: MultipleLookup, *, categories: Collection[str] = (), field: str = ""
    ) -> Sequence[ArtifactFacts]:
        """The artifacts that a lookup names, in its order."""

    @abstractmethod
    def related(
        self,
        artifacts: Collection[ArtifactFacts],
        type: RelationType | None = None,  # noqa: A002 - the protocol's word
        *,
        categories: Collection[str] = (),
    ) -> Mapping[int, Sequence[ArtifactFacts]]:
        """Those that each of these artifacts (by id) says it relates to in this way, or in any; some have none.

        What is of another category, hidden, expired or incomplete is left out.
        """


class TaskContext(ABC):
    """What the worker gives to a running task.

    Whatever is still running when the task ends, is cancelled or times out is killed as a group, and ``directory`` is
    removed. Names of logs are file names such as ``build.log``; all logs go into the debug-logs artifact when the
    work request does not succeed, and stages are told in ``stages.log``.
    """

    #: An empty directory of this run alone.
    directory: Path
    #: The name of the work request's workspace.
    workspace: str

    @abstractmethod
    async def describe(self, artifact: int) -> ArtifactFacts:
        """Ask the server about an input."""

    @abstractmethod
    async def fetch(self, artifact: int, into: Path) -> ArtifactFacts:
        """Download all files of an input below a directory; each is checked against its hash."""

    @abstractmethod
    async def fetch_cached(self, artifact: int, path: str, *, decompress: bool = False) -> Path:
        """One file of an input, read only, from the worker's cache by content hash; for large images.

        ``decompress``: keep an ``.xz`` file without its compression, so that the next run starts at once. The file
        stays at least until this run ends.
        """

    async def keep_cached(self, compressed: Path, plain: Path) -> None:  # noqa: B027 - may do nothing
        """Offer the cache what decompressing a file would yield, so that the next run here need not fetch it."""

    @abstractmethod
    async def run(
        self,
        argv: Sequence[str],
        *,
        log: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        stdout: Path | None = None,
        sandbox: bool = False,
    ) -> CommandResult:
        """Run a command, never through a shell, in a process group of its own, with output to a log.

        ``cwd`` is ``directory`` unless told. ``env`` is added to a small clean environment. ``stdin`` is read instead
        of nothing. ``stdout`` keeps standard output apart from the log. ``sandbox`` runs it under bubblewrap: the
        machine's programs, cached files and nothing else, read only; ``directory`` to write to; no network.
        What the command leaves running is ended with it. Raises ``FileNotFoundError`` when there is no such program.
        """

    @abstractmethod
    async def upload(self, category: str, *, data: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> int:
        """Make an artifact (path in it → local file) in the work request's workspace and return its id."""

    @abstractmethod
    async def relate(self, artifact: int, target: int, type: RelationType) -> None:  # noqa: A002 - the protocol's word
        """Say how two artifacts relate; saying it twice is harmless."""

    @abstractmethod
    def tell(self, message: str) -> None:
        """Write a line with the time into ``stages.log``."""


class Task(ABC, Generic[D]):
    """Something that a worker can run for a work request.

    The server calls the class methods: to check a submission (``Data`` and ``resolve``), to match it (``demand``,
    ``can_run_on``) and at the assignment (``resolve``). The worker calls ``metadata`` to tell what it can do and makes
    one object for each attempt to ``run`` it.
    """

    #: What users write in ``task_name``; lower case.
    name: ClassVar[str]
    #: Raised when a worker of the old version could not do a new request.
    version: ClassVar[int] = 1
    task_type: ClassVar[TaskType] = TaskType.WORKER
    #: A keyword-only attrs class of task_data; unknown keys are refused.
    Data: ClassVar[type[Any]]

    def __init__(self, data: D, dynamic: Mapping[str, Any]) -> None:
        """Called for each attempt; what it raises ends the attempt with ``error``, code ``configure-failed``."""
        self.data = data
        self.dynamic = dynamic

    @classmethod
    def demand(cls, data: D) -> Demand:
        """What a worker must offer; must not depend on anything but the data. Default: this task and version."""
        return Demand(task_type=cls.task_type, task_name=cls.name, version=cls.version)

    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        """Whether a worker with these facts can run this demand, with every reason against it."""
        return default_verdict(metadata, demand)

    @classmethod
    def resolve(cls, data: D, lookups: Lookups) -> dict[str, Any]:
        """Turn the lookups of the data into artifact ids: the dynamic_task_data. Plain and quick; default: nothing."""
        return {}

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        """What this machine says of itself for this task; called on the worker, in a thread."""
        return {f"{cls.name}:version": cls.version}

    @classmethod
    def problems(cls) -> Sequence[str]:
        """What this machine lacks for the task: sentences with the command that helps; on the worker, in a thread."""
        return ()

    @abstractmethod
    async def run(self, context: TaskContext) -> Result:
        """Do the work. ``TaskFailure`` counts as failure, any other exception as error."""


WORKER_TYPES = {TaskType.WORKER: "external", TaskType.SERVER: "celery", TaskType.SIGNING: "signing"}


def default_verdict(metadata: Metadata, demand: Demand) -> Verdict:
    """The common rule: kind of worker, version of the task, architecture, and what the demand requires."""
    return Verdict(tuple(_reasons_against(metadata, demand)))


def _reasons_against(metadata: Metadata, demand: Demand) -> Sequence[str]:
    reasons: list[str] = []
    kind = metadata.get("system:worker_type", "external")
    if kind != WORKER_TYPES.get(demand.task_type):
        reasons.append(f"it is a worker of type {kind}, not for {demand.task_type} tasks")
    version = metadata.get(f"{demand.task_name}:version")
    if version is None:
        reasons.append(f"it does not offer {demand.task_name}")
    elif version != demand.version:
        reasons.append(f"it offers {demand.task_name} in version {version}, not {demand.version}")
    architecture = demand.architecture or metadata.get("system:host_architecture")
    if architecture is not None and architecture not in _strings(metadata.get("system:architectures")):
        reasons.append(f"it cannot run {architecture}")
    reasons += [f"it does not report {key}" for key in demand.requires if metadata.get(key) is not True]
    return reasons


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
