"""Whether two directories are one, or one lies in the other, whatever they are called."""

import os
from pathlib import Path
from typing import TypeAlias

#: Device and inode of the nearest directory that is there, and the names below it that are not.
_Identity: TypeAlias = tuple[int, int, tuple[str, ...]]


def overlap(one: Path, other: Path) -> bool:
    """Whether what is written below one of them may appear below the other; they need not be there yet."""
    ones, others = _identities(one), _identities(other)
    return ones[0] in others or others[0] in ones


def _identities(path: Path) -> list[_Identity]:
    """Those of the directory and of all above it."""
    missing: tuple[str, ...] = ()
    while not os.access(path, os.F_OK):
        path, missing = path.parent, (path.name, *missing)
    to_come = [_identity(path, missing[:count]) for count in range(len(missing), 0, -1)]
    return to_come + _existing(path)


def _existing(path: Path) -> list[_Identity]:
    found = [_identity(path)]
    # Not path.parents: where a symbolic link leads to, other directories are above.
    while (above := _identity(path := path / "..")) != found[-1]:
        found.append(above)
    return found


def _identity(directory: Path, missing: tuple[str, ...] = ()) -> _Identity:
    found = directory.stat()
    return found.st_dev, found.st_ino, missing
