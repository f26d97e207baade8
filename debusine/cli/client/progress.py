"""Progress of transfers: one bar on standard error when somebody watches."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.status import Status
from rich.text import Text

from debusine.cli.client.session import Session
from debusine.client import Progress as Tell
from debusine.client.transfer import no_progress
from debusine.protocol.resources import ArtifactResource


@contextmanager
def shown_progress(session: Session, verb: str, sizes: Mapping[str, int]) -> Iterator[Tell]:
    """A bar for the transfer of some files (path → size; 0: unknown); silent when nobody watches."""
    if not (session.shows_progress and sizes):
        yield no_progress
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(progress, verb, sizes)


@contextmanager
def shown_status(session: Session, message: str) -> Iterator[Status | None]:
    """A line that moves while something lasts; None when nobody watches."""
    if not session.shows_progress:
        yield None
        return
    with Console(stderr=True).status(Text(message)) as status:
        yield status


class _Bar:
    """Adds up the bytes of all files."""

    def __init__(self, progress: Progress, verb: str, sizes: Mapping[str, int]) -> None:
        self._progress = progress
        self._verb = verb
        self._sizes = sizes
        self._done = dict.fromkeys(sizes, 0)
        self._sum = 0
        self._task: TaskID = progress.add_task(self._description(), total=sum(sizes.values()) or None)

    def __call__(self, path: str, done: int, size: int) -> None:
        """Take in how far one file is."""
        self._sum += done - self._done.get(path, 0)
        self._done[path] = done
        self._progress.update(self._task, completed=self._sum, description=self._description())

    def _description(self) -> str:
        if len(self._sizes) == 1:
            return f"{self._verb} {next(iter(self._sizes))}"
        whole = sum(self._done[path] >= size for path, size in self._sizes.items())
        return f"{self._verb} {whole} of {len(self._sizes)} files"


def missing_sizes(artifact: ArtifactResource) -> dict[str, int]:
    """The sizes of the files that are yet to be uploaded."""
    return {path: artifact.files[path].size for path in artifact.files_to_upload if path in artifact.files}
