"""A context for tests of tasks: artifacts in memory, and programs that are functions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from attrs import Factory, define, field, frozen

from debusine.domain.artifacts import RelationType
from debusine.domain.errors import NotFound
from debusine.plugin.task import ArtifactFacts, CommandResult, TaskContext


@frozen(kw_only=True)
class Call:
    """A command that a task ran."""

    argv: tuple[str, ...]
    log: str
    cwd: Path
    env: Mapping[str, str]
    stdin: Path | None
    #: Where standard output goes: a file of its own, or the log.
    stdout: Path
    sandbox: bool


#: Plays a program: returns its exit status, and leaves what the program would leave.
Program: TypeAlias = Callable[[Call], int]


@frozen(kw_only=True)
class Upload:
    """An artifact that a task made."""

    id: int
    category: str
    data: Mapping[str, Any]
    #: By path, as they were at the upload.
    files: Mapping[str, bytes]


@define(kw_only=True, slots=False)
class FakeTaskContext(TaskContext):
    """Remembers all that a task does; nothing leaves the directory that it is given."""

    directory: Path
    workspace: str = "System"
    #: By name; one that is not here raises ``FileNotFoundError``.
    programs: Mapping[str, Program] = Factory(dict)
    artifacts: dict[int, tuple[ArtifactFacts, dict[str, bytes]]] = field(factory=dict, init=False)
    calls: list[Call] = field(factory=list, init=False)
    uploads: list[Upload] = field(factory=list, init=False)
    relations: set[tuple[int, int, RelationType]] = field(factory=set, init=False)
    told: list[str] = field(factory=list, init=False)

    def add(self, category: str, data: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> int:
        """Make an artifact that is there already."""
        id_, contents = len(self.artifacts) + len(self.uploads) + 1, dict(files or {})
        sizes = {path: len(content) for path, content in contents.items()}
        self.artifacts[id_] = (ArtifactFacts(id=id_, category=category, data=data, files=sizes), contents)
        return id_

    def made(self, category: str) -> list[Upload]:
        """The uploads of a category."""
        return [upload for upload in self.uploads if upload.category == category]

    async def describe(self, artifact: int) -> ArtifactFacts:
        """Facts of an artifact that was added."""
        if artifact not in self.artifacts:
            raise NotFound(f"There is no artifact {artifact}")
        return self.artifacts[artifact][0]

    async def fetch(self, artifact: int, into: Path) -> ArtifactFacts:
        """Write the files of an artifact that was added."""
        facts = await self.describe(artifact)
        for path, content in self.artifacts[artifact][1].items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            (into / path).write_bytes(content)
        return facts

    async def fetch_cached(self, artifact: int, path: str, *, decompress: bool = False) -> Path:
        """Write one file of an artifact that was added, as it is, beside the directory."""
        target = self.directory.parent / f"cached-{artifact}-{path.replace('/', '-')}"
        target.write_bytes(self.artifacts[artifact][1][path])
        return target

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
        """Call the function that plays the program."""
        if argv[0] not in self.programs:
            raise FileNotFoundError(argv[0])
        logs = self.directory.parent / "logs"
        logs.mkdir(exist_ok=True)
        (logs / log).touch()
        call = Call(
            argv=tuple(argv),
            log=log,
            cwd=cwd or self.directory,
            env=env or {},
            stdin=stdin,
            stdout=stdout or logs / log,
            sandbox=sandbox,
        )
        self.calls.append(call)
        return CommandResult(returncode=self.programs[argv[0]](call), stdout=call.stdout, stderr=logs / log)

    async def upload(self, category: str, *, data: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> int:
        """Remember an artifact with the contents of its files."""
        contents = {path: source.read_bytes() for path, source in (files or {}).items()}
        id_ = len(self.artifacts) + len(self.uploads) + 1
        self.uploads.append(Upload(id=id_, category=category, data=data, files=contents))
        return id_

    async def relate(self, artifact: int, target: int, type: RelationType) -> None:  # noqa: A002 - the protocol's word
        """Remember a relation."""
        self.relations.add((artifact, target, type))

    def tell(self, message: str) -> None:
        """Remember a line."""
        self.told.append(message)
