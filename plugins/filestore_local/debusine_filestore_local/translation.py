"""The errors of the operating system in the farm's words."""

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debusine.plugin import (
    ConfigurationError,
    Damaged,
    File,
    FileMissing,
    ObjectKey,
    StorageFull,
    Unavailable,
    WriteFailed,
)
from debusine_filestore_local.filesystem import BROKEN, FULL
from debusine_filestore_local.objects import Objects

#: What only an operator can change.
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_NO_PLACE = {errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}


@contextmanager
def errors_of_preparing(objects: Objects) -> Iterator[None]:
    """Say in one line what keeps a directory from being a store, and what to do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise ConfigurationError(_forbidden(objects.base)) from error
        if error.errno in _NO_PLACE:
            raise ConfigurationError(
                f"{objects.base} cannot keep files: {_reason(error)}; name another directory as base_directory"
            ) from error
        raise Unavailable(f"{objects.base} cannot keep files just now", detail=_passing(objects.base, error)) from error


@contextmanager
def errors_of_storing(objects: Objects, file: File) -> Iterator[None]:
    """Say what it means for the farm that a file could not be stored."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            message = f"There is no room for {file.size} bytes in {objects.base}"
            raise StorageFull(message, detail=_lacking(objects.base)) from error
        if error.errno in BROKEN:
            raise WriteFailed(f"The file {file.hash_digest.hex()}", _reason(error)) from error
        if error.errno == errno.ENOENT and objects.incoming.is_dir():
            raise  # it was the source that is missing: the caller's mistake
        raise _away(objects, error) from error


@contextmanager
def errors_of_finding(objects: Objects, key: ObjectKey) -> Iterator[None]:
    """Say what it means for the farm that an object could not be found or read."""
    try:
        yield
    except OSError as error:
        if error.errno in BROKEN:
            raise Damaged(key, _reason(error)) from error
        # A disk that is not mounted holds nothing either, and yet nothing is lost.
        if error.errno in {errno.ENOENT, errno.ELOOP} and objects.incoming.is_dir():
            raise FileMissing(key) from error
        raise _away(objects, error) from error


@contextmanager
def errors_of_the_place(objects: Objects) -> Iterator[None]:
    """Say what it means for the farm that the directory as a whole does not work."""
    try:
        yield
    except OSError as error:
        raise _away(objects, error) from error


def user_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _away(objects: Objects, error: OSError) -> Unavailable:
    return Unavailable(f"The directory {objects.base} cannot be used just now", detail=_reason(error))


def _forbidden(base: Path) -> str:
    user = user_name(os.geteuid())
    return f"{base} cannot keep files: {user} may not write there; run: install -d -o {user} -m 700 {base}"


def _passing(base: Path, error: OSError) -> str:
    if error.errno in FULL:
        return _lacking(_existing(base)) or _reason(error)
    if error.errno == errno.EROFS:
        return f"{_reason(error)}; see the kernel's log for why, and mount it with -o remount,rw"
    return _reason(error)


def _lacking(directory: Path) -> str | None:
    """What there is too little of, when it is not bytes."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return "no inode is free" if found.f_files and not found.f_favail else None


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
