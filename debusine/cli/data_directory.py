"""The data directory: made when it is missing, and locked, so that one program at a time works in it."""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from debusine.config import Settings
from debusine.domain.errors import ConfigurationError

logger = logging.getLogger(__name__)

LOCK = "lock"

#: Seconds to wait for somebody who may have it only for a moment.
PATIENCE = 2.0
#: Seconds that a server waits, when it starts, for another program than a server: the operator's command, which may
#: have much to do on a slow disk.
LONG_PATIENCE = 30.0
#: Seconds between two looks.
LOOK = 0.05


class NotWritable(ConfigurationError):
    """The data directory cannot be used."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"The data directory {path} cannot be written: {error.strerror}; choose one with --data-dir")


class InUse(ConfigurationError):
    """Another program works in the data directory."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"The data directory {path} is in use by {holder}; stop it, or choose one with --data-dir")
        self.holder = holder


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


@asynccontextmanager
async def locked_in_time(
    directory: Path, program: str, stop: asyncio.Event, *, patience: float = LONG_PATIENCE
) -> AsyncIterator[None]:
    """As ``locked``, for a server that starts: waits longer, unless for its own kind or when it is to stop."""
    with ExitStack() as stack:
        began, told = time.monotonic(), False
        while (in_use := _try(stack, directory, program)) is not None:
            left = _patience(in_use, program, patience) - (time.monotonic() - began)
            if stop.is_set() or left < 0:
                raise in_use
            if not told:
                logger.warning("Waiting for %s, which uses %s, for at most %.0f s", in_use.holder, directory, left)
                told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)
        yield


def make_uploads(settings: Settings) -> None:
    """Make the directory of files that are not whole yet."""
    try:
        settings.uploads.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise NotWritable(settings.uploads, error) from error


def _try(stack: ExitStack, directory: Path, program: str) -> InUse | None:
    try:
        stack.enter_context(locked(directory, program, patience=0))
    except InUse as in_use:
        return in_use
    return None


def _patience(in_use: InUse, program: str, long: float) -> float:
    """Another server is not waited for: it will not end by itself."""
    return min(PATIENCE, long) if in_use.holder.startswith(program) else long


def _lock(descriptor: int, directory: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InUse(directory, os.pread(descriptor, 200, 0).decode(errors="replace")) from None
            time.sleep(LOOK)
        else:
            return
