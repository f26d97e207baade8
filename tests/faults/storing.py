"""``python -m tests.faults.storing BASE WAY SOURCE``: stores one file when told to, in one thread; then says its key.

Its parent kills it before one of its system calls.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from debusine_filestore_local.backend import LocalFileStore, LocalOptions
from debusine_filestore_local.filesystem import FileSystem
from debusine_filestore_local.objects import Objects

from debusine.plugin import File, ObjectKey, StorageFull, new_key


class Hasty(Objects):
    """The bug that is planted: bytes arrive under the object's own name."""

    @contextlib.contextmanager
    def _arriving(self, key: ObjectKey) -> Iterator[Path]:
        self._make_parent(self.path(key).parent)
        yield self.path(key)
        self.filesystem.sync_directory(self.path(key).parent)


def main(base: str, way: str, source: str, bug: str = "") -> None:
    """Store one file; nothing is done meanwhile that is not part of it."""
    backend = LocalFileStore(LocalOptions(base_directory=Path(base)))
    if bug:
        backend._objects = Hasty(Path(base), FileSystem())
    file, content = File.from_local_path(Path(source)), Path(source).read_bytes()
    key = new_key(file)
    os.write(1, b"ready\n")
    os.read(0, 1)
    with contextlib.suppress(StorageFull):
        if way == "content":
            key = backend.store_content(file, content)["key"]
        else:
            backend._add(file, Path(source), key)
        os.write(1, key.encode())
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
