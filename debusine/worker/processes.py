"""Finds and ends what an earlier, killed worker may have left running."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from debusine.worker.keeper import descendants

#: In the environment of every command of a run: the run's directory.
MARKER = "DEBUSINE_RUN"

#: Seconds.
PATIENCE = 5.0


def end_processes_of(run: Path, patience: float = PATIENCE) -> int:
    """Kill all that belongs to a run; the number of processes that are still there afterwards."""
    deadline = time.monotonic() + patience
    while (found := processes_of(run)) and time.monotonic() < deadline:
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    return len(found)


def processes_of(run: Path) -> set[int]:
    """The processes of a run: marked by their environment, or with a root below its directory, and all below these."""
    found = {process for process in _processes() if _is_marked(process, run) or _has_root_below(process, run)}
    return found.union(*(descendants(process) for process in found)) - {os.getpid()}


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _is_marked(process: int, run: Path) -> bool:
    # Not readable for processes of subordinate ids: those show themselves by their root or their parents.
    with contextlib.suppress(OSError):
        return f"{MARKER}={run}".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return False


def _has_root_below(process: int, run: Path) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/root").readlink().is_relative_to(run)
    return False
