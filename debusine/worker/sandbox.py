"""The sandbox for commands that run on the worker's own system: bubblewrap with little to see and no network."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

#: Read only. Not here: homes, credentials, other runs, sockets below /run.
SYSTEM = ("/usr", "/etc", "/opt", "/var/lib/dpkg")

#: Directories on a system where they are apart, links below /usr on all others.
MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

APART = ("--unshare-all", "--die-with-parent", "--new-session")


@frozen(kw_only=True)
class Sandbox:
    """What commands may see and change."""

    #: May be changed.
    writable: Sequence[Path]
    readable: Sequence[Path] = ()
    #: Hidden, even when it lies below something that is to be seen.
    hidden: Sequence[Path] = ()

    def wrap(self, argv: Sequence[str], cwd: Path) -> list[str]:
        """The command that runs a command in here."""
        return ["bwrap", *APART, *self._mounts(), "--chdir", str(cwd), "--", *argv]

    def _mounts(self) -> Iterator[str]:
        for path in (*SYSTEM, *_python()):
            yield from ("--ro-bind-try", path, path)
        for path in MERGED:
            yield from _link_or_directory(Path(path))
        yield from ("--dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs", "/tmp")  # noqa: S108 - its own
        for directory in self.hidden:
            if directory.exists():
                yield from ("--tmpfs", str(directory))
        for directory in self.readable:
            yield from ("--ro-bind", str(directory), str(directory))
        for directory in self.writable:
            yield from ("--bind", str(directory), str(directory))


def _link_or_directory(path: Path) -> Iterator[str]:
    if path.is_symlink():
        yield from ("--symlink", str(path.readlink()), str(path))
    elif path.is_dir():
        yield from ("--ro-bind", str(path), str(path))


def _python() -> list[str]:
    """Where this Python is, for tasks that run modules of their own."""
    return sorted({sys.prefix, sys.base_prefix} - {"/usr"})
