"""Places: where objects are below the base directory."""

from pathlib import PurePath

from debusine.plugin import ObjectKey


def place_of(key: ObjectKey) -> PurePath:
    """Where the object is, in one of 256 directories.

    A second level would cost a small file one sync more for each directory that it is the first to need.
    """
    return PurePath(key[:2], key)
