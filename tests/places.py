"""Directories for what pytest's own cannot hold: short names, or doors that are open to the worker's user.

They are gone when their block ends. Those of a run that was killed go with the next run.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "debusine-tests-"
#: Seconds for which a directory may be without a lock: from its making to its locking, on a busy machine.
YOUNG = 60


@contextmanager
def place(kind: str, *, mode: int = 0o700, parent: Path | None = None) -> Iterator[Path]:
    """A new directory below another one (without: the usual one for temporary files)."""
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-", dir=parent))
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)  # closed in every child
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        directory.chmod(mode)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path) -> None:
    """Remove what runs have left that were killed: nobody holds it any more."""
    for left in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.lstat().st_mtime < time.time() - YOUNG:
                _remove_unless_held(left)


def _remove_unless_held(directory: Path) -> None:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)
