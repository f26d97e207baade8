"""The data directory: made when it is missing, and locked, so that one program at a time works in it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debusine.config import Settings
from debusine.domain.errors import ConfigurationError

LOCK = "lock"

#: Seconds to wait for somebody who has it only for a moment: the operator's command.
PATIENCE = 2.0


class NotWritable(ConfigurationError):
    """The data directory cannot be used."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"The data directory {path} cannot be written: {error.strerror}; choose one with --data-dir")


class InUse(ConfigurationError):
    """Another program works in the data directory."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"The data directory {path} is in use by {holder}; stop it, or choose one with --data-dir")


@contextmanager
def locked(directory: Path, program: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Keep the directory for this process; ``NotWritable`` or ``InUse`` when that cannot be."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NotWritable(directory, error) from error
    try:
        _lock(descriptor, directory, patience)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{program} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def make_uploads(settings: Settings) -> None:
    """Make the directory of files that are not whole yet."""
    try:
        settings.uploads.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise NotWritable(settings.uploads, error) from error


def _lock(descriptor: int, directory: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InUse(directory, os.pread(descriptor, 200, 0).decode(errors="replace")) from None
            time.sleep(0.05)
        else:
            return
