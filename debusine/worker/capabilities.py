"""What this machine is and can do: the dynamic metadata, and what its operator should know."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
from attrs import frozen

from debusine.plugin import RunElsewhere, Task

logger = logging.getLogger(__name__)

#: Seconds.
PROBE_TIMEOUT = 30

Tasks = Mapping[str, type[Task[Any]]]


@frozen(kw_only=True)
class Capability:
    """One task on this machine."""

    task: str
    version: int
    #: Empty: it can run.
    problems: Sequence[str]
    #: Whether it is for workers of another make: then this machine lacks nothing.
    elsewhere: bool = False


def describe_machine(tasks: Tasks) -> dict[str, Any]:
    """The metadata that a server matches demands with; blocks for a moment."""
    facts = {
        "system:cpu_count": os.cpu_count(),
        "system:total_physical_memory": psutil.virtual_memory().total,
        "system:worker_type": "external",
        **_architectures(),
    }
    for name, task in tasks.items():
        try:
            facts |= task.metadata()
        except Exception:  # a stranger's task; the others are told all the same
            logger.exception("The task %s cannot tell what this machine can do; it is not offered", name)
    return facts


def capabilities(tasks: Tasks) -> list[Capability]:
    """What each task lacks here; blocks for a moment."""
    return [_capability(name, task) for name, task in sorted(tasks.items())]


def _capability(name: str, task: type[Task[Any]]) -> Capability:
    try:
        problems = task.problems()
    except Exception as error:  # noqa: BLE001 - a stranger's task
        problems = [f"it cannot say what it needs: {error}"]
    return Capability(task=name, version=task.version, problems=problems, elsewhere=issubclass(task, RunElsewhere))


def _architectures() -> dict[str, Any]:
    host = _output("dpkg", "--print-architecture")
    if not host:
        return {"system:architectures": []}
    # Also those that run through an emulator, when arch-test is there to find them.
    found = (_output("arch-test", "-n") or "").split()
    return {"system:host_architecture": host, "system:architectures": sorted({host, *found})}


def _output(*argv: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PROBE_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
