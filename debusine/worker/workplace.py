"""The directories in which work is done: one for each run, gone with all its processes when the run ends."""

import asyncio
import logging
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from debusine.domain.errors import ConfigurationError
from debusine.worker.processes import MARKER, end_processes_of

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
        """End and wipe what a worker left that was killed."""
        for path in sorted(self.directory.iterdir()):
            logger.warning("Clearing up %s, which a worker left that was killed", path)
            await wipe(path)

    @asynccontextmanager
    async def open_run(self, name: str) -> AsyncIterator[RunDirectory]:
        """A new directory for a run; at the end it is gone, and so is every process of it."""
        run = RunDirectory(path=self.directory / f"{name}-{secrets.token_hex(4)}")
        for directory in (run.path, *run.parts):
            directory.mkdir()
            directory.chmod(MODE)  # whatever the umask
        try:
            yield run
        finally:
            await asyncio.shield(asyncio.create_task(wipe(run.path), name=f"wipe {run.path.name}"))


async def wipe(directory: Path) -> None:
    """End a run's processes and remove its directory, whoever owns what is in it."""
    survivors = await asyncio.to_thread(end_processes_of, directory)
    if survivors:
        logger.error("%s processes of %s cannot be ended; the next start tries again", survivors, directory)
    await asyncio.to_thread(_remove, directory)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        removal = [*AS_ALL_IDS, "rm", "-rf", "--one-file-system", "--", str(directory)]
        done = subprocess.run(removal, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            logger.error("Cannot remove %s: %s", directory, " ".join(done.stderr.split()))
