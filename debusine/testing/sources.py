"""Local files with known content, to be given to a store."""

import itertools
import random
from pathlib import Path

from attrs import field, frozen

from debusine.plugin import File


@frozen
class Source:
    """A verified local file and what is in it."""

    file: File
    path: Path
    content: bytes = field(repr=False)


class Sources:
    """Makes local files in a directory; no two are the same file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)

    def of(self, content: bytes) -> Source:
        """A file with this content."""
        return self.named(f"source-{next(self._numbers)}", content)

    def named(self, name: str, content: bytes) -> Source:
        """A file with this content under a name."""
        path = self.directory / name
        path.write_bytes(content)
        return Source(File.from_local_path(path), path, content)

    def of_size(self, size: int) -> Source:
        """A file of so many bytes, which compress badly and differ from those of any other file made here."""
        number = next(self._numbers)
        return self.of(random.Random(number).randbytes(size))  # noqa: S311 - the same bytes in every run
