"""File systems of the tests' own, in a namespace that nobody else sees.

A process holds it until its input ends, which it does when the tests end, also when they are killed: no mount and no
loop device is left behind. What is mounted there is reached through ``/proc/PID/root``.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Says that it is ready once it holds a namespace with an empty directory, and ends with its input.
_HOLD = 'mount -t tmpfs -o mode=700 private "$1" && echo ready && exec cat >/dev/null'


class CannotMount(Exception):
    """File systems cannot be mounted on this machine, or not by this user."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no file systems to break: {reason}")


class Mounts:
    """A namespace and what is mounted in it; paths are those that the tests use, unless they are said to be inside."""

    def __init__(self, holder: int, inside: Path) -> None:
        self.holder = holder
        #: Where, inside the namespace, all mounts are.
        self.inside = inside
        self._numbers = itertools.count()

    def run(self, *command: str | Path, descriptors: Sequence[int] = ()) -> None:
        """Run a program inside, with paths as they are there; ``CannotMount`` when it fails."""
        ended = subprocess.run(
            self.entered(*command), capture_output=True, text=True, check=False, pass_fds=descriptors
        )
        if ended.returncode:
            raise CannotMount(ended.stderr.strip() or f"{command[0]} failed")

    def entered(self, *command: str | Path) -> list[str]:
        """The command by which a program runs inside."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", *map(str, command)]

    def directory(self) -> Path:
        """A new empty directory."""
        path = self.outside(self.inside / str(next(self._numbers)))
        path.mkdir()
        return path

    def tmpfs(self, options: str) -> Path:
        """A file system in memory."""
        path = self.directory()
        self.mount("none", path, "-t", "tmpfs", "-o", f"mode=700,{options}")
        return path

    def ext4(self, size: int, *arguments: str) -> Path:
        """An ext4 of so many bytes, made with these arguments of mkfs."""
        path = self.directory()
        image = path.with_suffix(".image")
        make_ext4(image, size, *arguments)
        self.mount(self.seen_inside(image), path, "-o", "loop")
        return path

    def mount(self, what: str | Path, path: Path, *options: str, descriptors: Sequence[int] = ()) -> None:
        """Mount something on a directory or file; ``what`` is a name inside."""
        self.run("mount", *options, what, self.seen_inside(path), descriptors=descriptors)

    def remount(self, path: Path, options: str) -> None:
        """Change the options of what is mounted."""
        self.run("mount", "-o", f"remount,{options}", self.seen_inside(path))

    def unmount(self, path: Path) -> None:
        """Have a directory empty again."""
        self.run("umount", self.seen_inside(path))

    def outside(self, inside: Path) -> Path:
        """How the tests reach what has this name inside."""
        return Path(f"/proc/{self.holder}/root{inside}")

    def seen_inside(self, path: Path) -> Path:
        """The name inside of what the tests reach by this path."""
        return Path("/") / path.relative_to(f"/proc/{self.holder}/root")


def make_ext4(image: Path, size: int, *arguments: str) -> None:
    """Make a file with an empty ext4 in it."""
    with image.open("wb") as stream:
        stream.truncate(size)
    # Nothing is left to be done later, by a thread of the kernel.
    lazy = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    _require("mkfs.ext4")
    command = ["mkfs.ext4", "-q", "-F", "-E", lazy, *arguments, str(image)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def private_mounts(place: Path) -> Iterator[Mounts]:
    """A namespace whose mounts are below an empty directory; ``CannotMount`` when there can be none."""
    if os.geteuid() != 0:
        raise CannotMount("only root may mount")
    _require("unshare", "nsenter", "mount")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _HOLD, "sh", str(place)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "ready\n":
                raise CannotMount(holder.stderr.read().strip())
            yield Mounts(holder.pid, place)
        finally:
            holder.stdin.close()


def _require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise CannotMount(f"{program} is not installed")
