"""The errors of the operating system in the farm's words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from debusine.plugin import Damaged, File, FileMissing, StorageFull, Unavailable, WriteFailed
from debusine_filestore_local.keys import Key
from debusine_filestore_local.objects import Objects

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def errors_of_storing(objects: Objects, file: File) -> Iterator[None]:
    """Say what it means for the farm that a file could not be stored."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"There is no room for {file.size} bytes in {objects.base}") from error
        if error.errno == errno.EIO:
            raise WriteFailed(f"The file {file.hash_digest.hex()}", _reason(error)) from error
        if error.errno == errno.ENOENT and objects.incoming.is_dir():
            raise  # it was the source that is missing: the caller's mistake
        raise _away(objects, error) from error


@contextmanager
def errors_of_finding(objects: Objects, key: Key) -> Iterator[None]:
    """Say what it means for the farm that an object could not be found or read."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EIO:
            raise Damaged(key, _reason(error)) from error
        # A disk that is not mounted holds nothing either, and yet nothing is lost.
        if error.errno in {errno.ENOENT, errno.ELOOP} and objects.incoming.is_dir():
            raise FileMissing(key) from error
        raise _away(objects, error) from error


@contextmanager
def errors_of_listing(objects: Objects) -> Iterator[None]:
    """Say what it means for the farm that the objects could not be listed."""
    try:
        yield
    except OSError as error:
        raise _away(objects, error) from error


def _away(objects: Objects, error: OSError) -> Unavailable:
    return Unavailable(f"The directory {objects.base} cannot be used just now", detail=_reason(error))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
