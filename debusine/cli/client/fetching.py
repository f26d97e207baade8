"""Fetching: a Debian file and all that it lists, from wherever an argument says."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from yarl import URL

from debusine.cli.client.progress import shown_progress
from debusine.cli.client.session import Session
from debusine.client import Access, Connection, Progress
from debusine.client.declaring import NotAFile
from debusine.client.downloads import Download, download_stream
from debusine.debian.control import Listed
from debusine.debian.imports import files_listed_by, kind_of
from debusine.domain.errors import DebusineError, Invalid
from debusine.domain.files import Digest


class UnknownUrl(Invalid):
    """A URL is of a kind that cannot be fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} cannot be fetched: give a path, or a URL that begins with http://, https:// or file://"
        )


class CannotFetch(DebusineError):
    """What is behind a URL could not be had."""

    def __init__(self, url: URL, error: DebusineError) -> None:
        super().__init__(f"{url} could not be fetched", detail=str(error))


async def fetched(session: Session, upload: str, directory: Path) -> Path:
    """The local file that an argument names; what is behind a URL goes into the directory, with all that it lists."""
    path = _local_path(upload)
    if path is None:
        return await _downloaded(session, URL(upload), directory)
    kind_of(path.name)
    if not path.is_file():
        raise NotAFile(path)
    return path


def _local_path(upload: str) -> Path | None:
    if "://" not in upload:
        return Path(upload)
    url = URL(upload)
    if url.scheme == "file" and url.host in {None, "", "localhost"}:
        return Path(url.path)
    if url.scheme not in {"http", "https"} or not url.host:
        raise UnknownUrl(upload)
    return None


async def _downloaded(session: Session, url: URL, directory: Path) -> Path:
    kind_of(url.name)
    path = directory / url.name
    try:
        async with Connection(Access(api_url=str(url.origin()))) as connection:
            with shown_progress(session, "Downloading", {url.name: 0}) as progress:
                await download_stream(connection, url, path, progress)
            listed = await asyncio.to_thread(files_listed_by, path)
            with shown_progress(session, "Downloading", {file.name: file.size for file in listed}) as progress:
                await _download_all(connection, url.parent, listed, directory, progress)
    except (Invalid, OSError):
        raise
    except DebusineError as error:
        raise CannotFetch(url, error) from error
    return path


async def _download_all(
    connection: Connection, place: URL, listed: Iterable[Listed], directory: Path, progress: Progress
) -> None:
    for file in listed:
        url, destination = place / file.name, directory / file.name
        if file.sha256 is None:
            await download_stream(connection, url, destination, progress)
            continue
        expected = Digest(hash_digest=bytes.fromhex(file.sha256), size=file.size)
        download = Download(
            connection=connection,
            url=url,
            path=file.name,
            destination=destination,
            expected=expected,
            progress=progress,
        )
        await download.run()
