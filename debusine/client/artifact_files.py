"""The files of one artifact: which of them travel, from where, to where."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from yarl import URL

from debusine.client.connection import Connection
from debusine.client.downloads import Download
from debusine.client.errors import AlreadyThere, Incomplete, InvalidAnswer, NotAmongFiles, NotInArtifact
from debusine.client.transfer import Progress, in_lanes
from debusine.client.uploads import Upload
from debusine.domain.files import ArtifactPath, Digest, File, InvalidPath
from debusine.protocol.resources import ArtifactResource, FileResource

Job = Callable[[], Coroutine[Any, Any, None]]


async def upload_files(
    connection: Connection, artifact: ArtifactResource, files: Mapping[str, Path], progress: Progress
) -> None:
    """Send exactly the files that the server lacks, several at a time."""
    unknown = [path for path in artifact.files_to_upload if path not in files]
    if unknown:
        raise NotAmongFiles(unknown)
    await in_lanes(_uploads(connection, artifact, files, progress))


def _uploads(
    connection: Connection, artifact: ArtifactResource, files: Mapping[str, Path], progress: Progress
) -> Iterator[Job]:
    for path in artifact.files_to_upload:
        url = connection.access.url(f"artifact/{artifact.id}/files/{quote(path)}/")
        size = artifact.files[path].size if path in artifact.files else files[path].stat().st_size
        yield Upload(connection=connection, url=url, path=path, source=files[path], size=size, progress=progress).run


async def download_files(
    connection: Connection, artifact: ArtifactResource, targets: Mapping[str, Path], progress: Progress
) -> None:
    """Fetch files (path in the artifact → destination), several at a time; before any travels, all are checked."""
    missing = [path for path in targets if path in artifact.files_to_upload]
    if missing:
        raise Incomplete(artifact.id, missing)
    downloads = [_download(connection, artifact, path, target, progress) for path, target in targets.items()]
    for target in targets.values():
        if target.exists():
            raise AlreadyThere(target)
    for directory in {target.parent for target in targets.values()}:
        directory.mkdir(parents=True, exist_ok=True)
    await in_lanes(download.run for download in downloads)


def targets_below(artifact: ArtifactResource, directory: Path, paths: Iterable[str] | None) -> dict[str, Path]:
    """Where an artifact's files go below a directory; a path that would leave it is refused."""
    return {path: directory / _safe(artifact, path) for path in (artifact.files if paths is None else paths)}


def _safe(artifact: ArtifactResource, path: str) -> ArtifactPath:
    try:
        return ArtifactPath(path)
    except InvalidPath as error:
        raise InvalidAnswer(artifact.url, str(error)) from error


def _download(
    connection: Connection, artifact: ArtifactResource, path: str, target: Path, progress: Progress
) -> Download:
    file = artifact.files.get(path)
    if file is None:
        raise NotInArtifact(artifact.id, path)
    return Download(
        connection=connection,
        url=absolute(file.url),
        path=path,
        destination=target,
        expected=_digest(file),
        progress=progress,
    )


def absolute(url: str) -> URL:
    """A URL that the server named, as it stands."""
    try:
        result = URL(url, encoded=True)
        fits = result.scheme in {"http", "https"} and bool(result.host)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidAnswer(url, "it is not an absolute URL")
    return result


def _digest(file: FileResource) -> Digest:
    try:
        return Digest(hash_digest=bytes.fromhex(file.checksums[File.current_hash_algorithm]), size=file.size)
    except (KeyError, ValueError):
        raise InvalidAnswer(file.url, f"it comes without a {File.current_hash_algorithm} hash") from None
