"""Reports on their way to the server: kept on disk until it has them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

from debusine.converter.json import dumps, loads
from debusine.converter.structure import structure, unstructure
from debusine.domain.errors import DebusineError
from debusine.protocol.resources import CompletionReport

logger = logging.getLogger(__name__)

SUFFIX = ".report"


@frozen(kw_only=True)
class WaitingReport:
    """How an attempt ended, before the server knows it."""

    work_request: int
    #: None: the server counts no attempts.
    attempt: int | None
    report: CompletionReport
    path: Path = field(eq=False)


class Reports:
    """A directory of reports."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """Make the directory."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, work_request: int, attempt: int | None, report: CompletionReport) -> WaitingReport:
        """Write a report down; it survives a power cut once this returns."""
        path = self._directory / f"{work_request}-{attempt or 0}{SUFFIX}"
        content = {"work_request": work_request, "attempt": attempt, "report": unstructure(report)}
        partial = path.with_suffix(".new")
        with partial.open("wb") as stream:
            stream.write(dumps(content))
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(path)
        return WaitingReport(work_request=work_request, attempt=attempt, report=report, path=path)

    def waiting(self) -> Iterator[WaitingReport]:
        """The reports that an earlier process could not deliver."""
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                yield _read(path)
            except (DebusineError, KeyError, TypeError) as error:
                logger.error("The report %s cannot be read and is dropped: %s", path.name, error)
                path.unlink()

    def forget(self, waiting: WaitingReport) -> None:
        """The server has it, or will not have it."""
        waiting.path.unlink(missing_ok=True)


def _read(path: Path) -> WaitingReport:
    content = loads(path.read_bytes())
    report = structure(content["report"], CompletionReport)
    return WaitingReport(work_request=content["work_request"], attempt=content["attempt"], report=report, path=path)
