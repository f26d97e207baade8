"""What a running task gets: its inputs, commands, and a way for its results to the server."""

import asyncio
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from attrs import define, field

from debusine.client import Client, Refused, StaleAttempt
from debusine.domain.artifacts import RelationType
from debusine.domain.errors import DebusineError, Invalid
from debusine.domain.times import now
from debusine.plugin import ArtifactFacts, CommandResult, TaskContext, in_thread
from debusine.protocol.resources import ArtifactResource
from debusine.worker.images import ImageCache
from debusine.worker.runner import Runner
from debusine.worker.sandbox import Sandbox
from debusine.worker.workplace import RunDirectory

logger = logging.getLogger(__name__)

STAGES = "stages.log"
IMAGES = "images.log"

#: Seconds between two tries to send something to a server that is full.
ROOM_INTERVAL = 60.0


class InvalidLogName(Invalid):
    """A task gave a log a name that is no file name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a log")


class CannotFetch(DebusineError):
    """An input does not come: its artifact or one of its files is not there, or nobody can read it."""

    def __init__(self, artifact: int, error: Refused) -> None:
        super().__init__(f"Artifact {artifact} cannot be fetched: {error}", detail=error.request or None)


class CannotPrepareImage(DebusineError):
    """An image cannot be decompressed."""

    def __init__(self, program: str, status: int) -> None:
        super().__init__(f"The image cannot be decompressed: {program} ended with {status}", detail=f"see {IMAGES}")


@define(kw_only=True, slots=False)
class WorkerContext(TaskContext):
    """The context of one attempt on this worker."""

    run_directory: RunDirectory
    #: Speaks for the attempt.
    client: Client
    runner: Runner
    images: ImageCache
    #: Never to be seen by sandboxed commands.
    hidden: Sequence[Path]
    work_request: int
    workspace: str
    #: The inputs that were fetched whole, in order.
    fetched: list[int] = field(factory=list, init=False)
    _artifacts: dict[int, ArtifactResource] = field(factory=dict, init=False)

    @property
    def directory(self) -> Path:  # type: ignore[override]
        """An empty directory of this run alone."""
        return self.run_directory.work

    @property
    def logs(self) -> dict[str, Path]:
        """The logs that say anything, by name."""
        return {path.name: path for path in sorted(self.run_directory.logs.iterdir()) if path.stat().st_size}

    async def describe(self, artifact: int) -> ArtifactFacts:
        """Ask the server about an input, once."""
        resource = await self._resource(artifact)
        files = {path: file.size for path, file in resource.files.items()}
        return ArtifactFacts(id=resource.id, category=resource.category, data=resource.data, files=files)

    async def fetch(self, artifact: int, into: Path) -> ArtifactFacts:
        """Download all files of an input below a directory."""
        self.tell(f"fetching artifact {artifact}")
        facts = await self.describe(artifact)
        await in_thread(into.mkdir, parents=True, exist_ok=True)
        with telling_which(artifact):
            await self.client.download_artifact(self._artifacts[artifact], into)
        self.fetched.append(artifact)
        return facts

    async def fetch_cached(self, artifact: int, path: str, *, decompress: bool = False) -> Path:
        """One file of an input, from the cache."""
        self.tell(f"fetching {path} of artifact {artifact}, unless it is in the cache")
        resource = await self._resource(artifact)
        with telling_which(artifact):
            return await self.images.get(self.client, resource, path, self._run_into if decompress else None)

    async def keep_cached(self, compressed: Path, plain: Path) -> None:
        """Move what decompressing a file would yield into the cache."""
        await in_thread(self.images.put, compressed, plain)

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
        """Run a command to its end."""
        if not log or "/" in log or log in {".", "..", STAGES} or not log.isprintable():
            raise InvalidLogName(log)
        path, cwd = self.run_directory.logs / log, cwd or self.directory
        self.tell(f"running {shlex.join(argv)}")
        wrapped = self._sandbox().wrap(argv, cwd) if sandbox else argv
        status = await self.runner.run(wrapped, log=path, cwd=cwd, env=env or {}, stdin=stdin, stdout=stdout)
        self.tell(f"{argv[0]} ended with {status}")
        return CommandResult(returncode=status, stdout=stdout or path, stderr=path)

    async def upload(self, category: str, *, data: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> int:
        """Make an artifact in the work request's workspace."""
        while True:
            try:
                resource = await self.client.upload_artifact(
                    category, data=data, files=files, workspace=self.workspace, work_request=self.work_request
                )
            except Refused as error:
                await self._wait_for_room(error)
            else:
                self.tell(f"made artifact {resource.id}, {category}")
                return resource.id

    async def relate(self, artifact: int, target: int, type: RelationType) -> None:  # noqa: A002 - the protocol's word
        """Say how two artifacts relate."""
        await self.client.create_relation(artifact, target, type)

    def tell(self, message: str) -> None:
        """Write a line with the time into ``stages.log``, and into the worker's own log."""
        logger.info("Work request %s: %s", self.work_request, message)
        with (self.run_directory.logs / STAGES).open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{now():%Y-%m-%dT%H:%M:%SZ} {message}\n")

    async def _resource(self, artifact: int) -> ArtifactResource:
        if artifact not in self._artifacts:
            with telling_which(artifact):
                self._artifacts[artifact] = await self.client.get_artifact(artifact)
        return self._artifacts[artifact]

    async def _wait_for_room(self, error: Refused) -> None:
        """A full server is no reason to throw away hours of work: wait, at most until the run's time is over."""
        if error.status != HTTPStatus.INSUFFICIENT_STORAGE:
            raise error
        self.tell(f"the server has no room ({error}); trying again in {ROOM_INTERVAL} s")
        await asyncio.sleep(ROOM_INTERVAL)

    async def _run_into(self, argv: list[str], output: Path) -> None:
        done = await self.run(argv, log=IMAGES, stdout=output, sandbox=True)
        if done.returncode:
            raise CannotPrepareImage(argv[0], done.returncode)

    def _sandbox(self) -> Sandbox:
        run = self.run_directory
        writable = (run.work, run.home, run.temporary)
        # Not the whole cache: what is in it may come from a workspace that this run's submitter cannot see.
        return Sandbox(writable=writable, readable=self.images.in_use(), hidden=self.hidden)


@contextmanager
def telling_which(artifact: int) -> Iterator[None]:
    """Name the input in what the server says against fetching it."""
    try:
        yield
    except StaleAttempt:
        raise
    except Refused as error:
        raise CannotFetch(artifact, error) from error
