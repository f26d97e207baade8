"""The operator's socket: a file in the data directory that only its owner can open."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The type of an answer that tells, line by line, how far something is, and at last what came of it.
LINES = "application/x-ndjson"

#: A socket's name has at most 107 bytes on Linux.
LONGEST = 100


def bound(path: Path) -> socket.socket:
    """A socket at which nobody is answered yet; takes the place of one that a killed server left."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with _short(path) as name:
            made.bind(name)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def connected(path: Path, *, timeout: float) -> socket.socket:
    """A socket to the server that answers there; ``OSError`` when none does."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(timeout)
    try:
        with _short(path) as name:
            made.connect(name)
    except OSError:
        made.close()
        raise
    return made


@contextmanager
def _short(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
