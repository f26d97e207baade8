"""Executors: where a task's commands run. ``unshare`` is the one that this project has; others are told as absent."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from debusine.plugin import ArtifactFacts, Lookups, SingleLookup, UnresolvedLookup
from debusine.tasks.task_data import Backend, TaskData, a_lookup, an_architecture

#: Executor → the category of the images that it runs.
IMAGE_CATEGORIES = {
    "unshare": "debian:system-tarball",
    "incus-lxc": "debian:system-tarball",
    "incus-vm": "debian:system-image",
    "qemu": "debian:system-image",
}

#: As root of a namespace of its own, which is the first of the user's subordinate ids outside.
AS_SUBORDINATE_ROOT = ("unshare", "--user", "--map-auto", "--setuid", "0", "--setgid", "0", "--")

#: A range of subordinate ids that holds all users of an image.
IDS = 65_536

#: Seconds.
PROBE_TIMEOUT = 30

SANDBOX_PROBE = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--", "true")


@frozen(kw_only=True)
class ExecutorData(TaskData):
    """What the data of a task that runs in an environment may have."""

    backend: Backend = "auto"
    environment: SingleLookup | None = field(default=None, validator=a_lookup)
    host_architecture: str | None = field(default=None, validator=an_architecture)

    @property
    def executor(self) -> str:
        """The backend in effect."""
        return "unshare" if self.backend == "auto" else self.backend

    @property
    def executor_key(self) -> str:
        """The key of a worker's metadata that must be true."""
        return f"executor:{self.executor}:available"

    def resolve_environment(self, lookups: Lookups) -> ArtifactFacts:
        """The environment's image, which the executor can run."""
        assert self.environment is not None
        category = IMAGE_CATEGORIES[self.executor]
        image = lookups.single(self.environment, categories=(category,), field="environment")
        if image.data.get("filename") not in image.files:
            reason = f"artifact {image.id} has no file of its data's filename"
            raise UnresolvedLookup(self.environment, reason, "environment")
        return image


@frozen(kw_only=True)
class EnvironmentData(ExecutorData):
    """What the data of a task has that cannot do without an environment."""

    environment: SingleLookup = field(validator=a_lookup)


@frozen(kw_only=True)
class BuildEnvironmentData(EnvironmentData):
    """What the data of a task has that works for one architecture in an environment."""

    host_architecture: str = field(validator=an_architecture)


def metadata() -> dict[str, Any]:
    """Which executors this machine has."""
    others = dict.fromkeys((f"executor:{name}:available" for name in IMAGE_CATEGORIES), False)
    return {**others, "executor:unshare:available": not unshare_problems()}


def unshare_problems() -> Sequence[str]:
    """Why commands cannot run in a user namespace here, each reason with the command that helps."""
    user = pwd.getpwuid(os.getuid()).pw_name
    missing = missing_programs({"unshare": "util-linux", "newuidmap": "uidmap"})
    if missing or not _has_subordinate_ids(user):
        return [*missing, *([] if _has_subordinate_ids(user) else [_advice_on_ids(user)])]
    # The plain one first: in a chroot, say, it fails at once, while the other one never returns.
    for probe in (("unshare", "--user", "--", "true"), (*AS_SUBORDINATE_ROOT, "true")):
        if reason := _reason_against(probe):
            return [f"The kernel gives {user} no user namespaces ({reason}); see: {' '.join(probe)}"]
    return []


def sandbox_problems() -> Sequence[str]:
    """Why commands cannot run in the worker's sandbox here."""
    missing = missing_programs({"bwrap": "bubblewrap"})
    reason = None if missing else _reason_against(SANDBOX_PROBE)
    return [*missing, *([f"bubblewrap does not run here ({reason}); see: {' '.join(SANDBOX_PROBE)}"] if reason else [])]


def missing_programs(packages: dict[str, str]) -> list[str]:
    """A sentence for each program (→ its Debian package) that is not in PATH."""
    return [
        f"{program} is not installed; run: sudo apt-get install --no-install-recommends {package}"
        for program, package in packages.items()
        if shutil.which(program) is None
    ]


def _reason_against(probe: Sequence[str]) -> str | None:
    # Not to a pipe: a child of unshare's that outlives it would keep the pipe open.
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(probe, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        try:
            status = process.wait(PROBE_TIMEOUT)
        except subprocess.TimeoutExpired:
            return "no answer"
        finally:
            _end_group(process)
        said.seek(0)
        return (" ".join(said.read().split()) or f"exit status {status}") if status else None


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_subordinate_ids(user: str) -> bool:
    return all(_ranges_of(user, Path(name)) for name in ("/etc/subuid", "/etc/subgid"))


def _advice_on_ids(user: str) -> str:
    first = max([100_000, *(_end(line) for name in ("/etc/subuid", "/etc/subgid") for line in _lines(Path(name)))])
    span = f"{first}-{first + IDS - 1}"
    return f"{user} has no subordinate ids; run: sudo usermod --add-subuids {span} --add-subgids {span} {user}"


def _ranges_of(user: str, path: Path) -> list[str]:
    return [line for line in _lines(path) if line.partition(":")[0] in {user, str(os.getuid())}]


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _end(line: str) -> int:
    _, start, count = line.split(":")
    return int(start) + int(count)
