"""Only one worker at a time uses a state directory: the next one clears up what it takes for leftovers."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debusine.domain.errors import ConfigurationError


class AlreadyRunning(ConfigurationError):
    """Another worker uses the same directories."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"Another debusine-worker uses {directory}; stop it first, or set state-directory in config.ini"
        )


class UnusablePlace(ConfigurationError):
    """A file or directory that the worker needs cannot be used."""

    def __init__(self, path: Path | str | None, reason: str | None) -> None:
        super().__init__(f"{path} cannot be used ({reason}); make it writable, or name another place in config.ini")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process alone."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnusablePlace(directory, error.strerror) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(directory) from None
    try:
        yield
    finally:
        os.close(descriptor)
