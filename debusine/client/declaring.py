"""Declaring: what a server is told of local files before it gets them."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from debusine.client.content_types import content_type
from debusine.client.transfer import in_lanes
from debusine.domain.errors import Invalid
from debusine.domain.files import ArtifactPath, File
from debusine.protocol.resources import FileSubmission


class NotAFile(Invalid):
    """Only regular files can be in an artifact."""

    def __init__(self, source: Path) -> None:
        super().__init__(f"{source} is not a file" if source.exists() else f"There is no file {source}")


async def declare(files: Mapping[str, Path]) -> dict[ArtifactPath, FileSubmission]:
    """Describe local files (path in the artifact → file), hashed in threads; in the order given.

    Raises ``InvalidPath`` and ``NotAFile``.
    """
    declared: dict[ArtifactPath, FileSubmission] = {}

    async def add(path: ArtifactPath, source: Path) -> None:
        declared[path] = await asyncio.to_thread(describe, source)

    paths = {ArtifactPath(path): source for path, source in files.items()}
    await in_lanes(partial(add, path, source) for path, source in paths.items())
    return {path: declared[path] for path in paths}


def describe(source: Path) -> FileSubmission:
    """Size, hash and content type of a local file."""
    if not source.is_file():
        raise NotAFile(source)
    file = File.from_local_path(source)
    checksums = {File.current_hash_algorithm: file.hash_digest.hex()}
    return FileSubmission(size=file.size, checksums=checksums, content_type=content_type(source))
