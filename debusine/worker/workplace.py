"""The directories in which work is done: one for each run, gone with all its processes when the run ends."""

import asyncio
import contextlib
import logging
import os
import secrets
import stat
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from debusine.domain.errors import ConfigurationError
from debusine.worker.processes import MARKER, end_processes_of
from debusine.worker.starting import start

logger = logging.getLogger(__name__)

#: Root in a namespace that has all of the user's ids: it may remove what builds left under subordinate ones.
AS_ALL_IDS = ("unshare", "--user", "--map-auto", "--map-root-user", "--")

#: Others may pass, not look around: the users of a build's system are others.
MODE = 0o711

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


class UnfitWorkDirectory(ConfigurationError):
    """The place for runs cannot be used."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(
            f"{directory} cannot be the place to work in, because {reason}; set work-directory in config.ini"
        )


@frozen(kw_only=True)
class RunDirectory:
    """The place of one run."""

    path: Path

    @property
    def work(self) -> Path:
        """Where the task works."""
        return self.path / "work"

    @property
    def logs(self) -> Path:
        """Where the logs grow."""
        return self.path / "logs"

    @property
    def home(self) -> Path:
        """The home of commands."""
        return self.path / "home"

    @property
    def temporary(self) -> Path:
        """For temporary files of commands."""
        return self.path / "tmp"

    @property
    def parts(self) -> tuple[Path, ...]:
        """All of it."""
        return (self.work, self.logs, self.home, self.temporary)

    @property
    def environment(self) -> dict[str, str]:
        """What commands find in their environment: little, and nothing of the worker's but the way to the network."""
        proxies = {name: os.environ[name] for key in PROXIES for name in (key, key.upper()) if name in os.environ}
        return {
            "PATH": PATH,
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            MARKER: str(self.path),
            **proxies,
        }


class Workplace:
    """The directory below which runs have theirs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._removals: set[asyncio.Task[None]] = set()

    def prepare(self) -> None:
        """Make the directory, and refuse one that is somebody else's."""
        try:
            self.directory.mkdir(mode=MODE, parents=True, exist_ok=True)
            facts = self.directory.lstat()
        except OSError as error:
            raise UnfitWorkDirectory(self.directory, f"it cannot be made ({error.strerror})") from error
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            raise UnfitWorkDirectory(self.directory, "it belongs to another user")
        self.directory.chmod(MODE)

    def problems(self) -> list[str]:
        """Why a build's users could not get in, with the command that helps."""
        closed = [path for path in self.directory.parents if not path.stat().st_mode & stat.S_IXOTH]
        return [f"Builds cannot enter {self.directory}; run: chmod o+x {path}" for path in closed]

    async def clear(self) -> None:
        """End what a killed worker left running, and begin to remove what it or a stopped one left on disk."""
        for path in sorted(self.directory.iterdir()):
            logger.warning("Clearing up %s, which an earlier worker left", path)
            await end_processes(path)
            self._begin_to_remove(path)

    @asynccontextmanager
    async def open_run(self, name: str) -> AsyncIterator[RunDirectory]:
        """A new directory for a run; at the end its processes are gone, and it follows while the worker goes on."""
        run = RunDirectory(path=self.directory / f"{name}-{secrets.token_hex(4)}")
        for directory in (run.path, *run.parts):
            directory.mkdir()
            directory.chmod(MODE)  # whatever the umask
        try:
            yield run
        finally:
            try:
                await asyncio.shield(end_processes(run.path))
            finally:  # also when somebody is in a hurry
                self._begin_to_remove(run.path)

    async def finish(self, patience: float) -> None:
        """Wait some seconds until all old directories are gone, and then go too; the next start removes the others."""
        if self._removals:
            _, late = await asyncio.wait(self._removals, timeout=patience)
            for removal in late:
                removal.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(OSError):  # something is left in it
            self.directory.rmdir()

    def _begin_to_remove(self, directory: Path) -> None:
        # In the background, because an unpacked system can take a busy disk half a minute.
        removal = asyncio.create_task(remove(directory), name=f"removal of {directory}")
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)


async def end_processes(directory: Path) -> None:
    """End whatever still belongs to a run."""
    survivors = await asyncio.to_thread(end_processes_of, directory)
    if survivors:
        logger.error("%s processes of %s cannot be ended; the next start tries again", survivors, directory)


async def remove(directory: Path) -> None:
    """Remove a run's directory, whoever owns what is in it."""
    for prefix in ((), AS_ALL_IDS):
        await _run([*prefix, "rm", "-rf", "--one-file-system", "--", str(directory)])
        if not await asyncio.to_thread(directory.exists):
            return
    logger.error("Cannot remove %s; the next start tries again", directory)


async def _run(argv: list[str]) -> None:
    try:
        # No pipes: asyncio waits until they are closed, and a stray child of unshare's may hold them for ever.
        process = await start(*argv, end=Process.kill, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    except FileNotFoundError:
        return
    try:
        await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
