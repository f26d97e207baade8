"""Downloads: files and archives of files, whole or visibly broken."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus

from aiohttp import hdrs, web

from debusine.domain.errors import NotFound
from debusine.domain.files import ArtifactPath
from debusine.protocol.ranges import parse_range
from debusine.server.admissions import admitted
from debusine.server.api.files import artifact_path
from debusine.server.content_headers import attachment, http_date, safe_content_type
from debusine.server.keys import DATABASE, SETTINGS, STORES
from debusine.server.requests import path_id, subject
from debusine.services.downloads import Download, StoredFile, Wish, contents, direct_url, granted
from debusine.services.tarballs import Member, tar_gz

logger = logging.getLogger(__name__)

TAR_GZ = "tar.gz"

#: What comes from users never acts in the name of this server.
HARMLESS = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-cache"}

#: An address that works without a token, for a short while.
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class UnknownArchive(NotFound):
    """An archive of another kind than tar.gz is asked for."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"There are no archives of the kind {kind[:100]!r}", detail=f"Ask for ?archive={TAR_GZ}")


class NoSuchPage(NotFound):
    """The scope in a download's path is not that of this server."""

    def __init__(self) -> None:
        super().__init__("There is no such page")


class BrokenOff(Exception):
    """A store gave fewer or more bytes than the file has."""

    def __init__(self, sent: int) -> None:
        super().__init__(f"the store gave {sent} bytes")


async def download(request: web.Request) -> web.StreamResponse:
    """Send a file, or the files of an artifact or of a directory in it as a tar.gz."""
    found = await request.app[DATABASE].read(granted, _wish(request))
    return await (_send_archive if found.archive else _send_file)(request, found)


def _wish(request: web.Request) -> Wish:
    if request.match_info["scope"] != request.app[SETTINGS].scope:
        raise NoSuchPage
    archive = request.query.get("archive")
    if archive not in {None, TAR_GZ}:
        raise UnknownArchive(str(archive))
    return Wish(
        subject=subject(request),
        workspace=request.match_info["workspace"],
        artifact=path_id(request),
        path=_path(request, directory=archive is not None),
        archive=archive is not None,
    )


def _path(request: web.Request, *, directory: bool) -> ArtifactPath | None:
    """The path of a file or, with or without a slash at its end, of a directory; None: the whole artifact."""
    path = request.match_info["path"].removesuffix("/") if directory else request.match_info["path"]
    return artifact_path(request, path) if path else None


async def _send_file(request: web.Request, found: Download) -> web.StreamResponse:
    stored = found.files[0]
    headers = _headers_of_file(found, stored)
    if any(tag.value in {stored.place.file.digest.hex, "*"} for tag in request.if_none_match or ()):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if request.method == hdrs.METH_GET and (url := await _direct_url(request, stored, headers)):
        return web.Response(status=HTTPStatus.FOUND, headers=NOT_KEPT | {hdrs.LOCATION: url})
    size = stored.place.file.size
    part = parse_range(request.headers.get(hdrs.RANGE), size) if _range_counts(request, headers) else None
    start, stop = part or (0, size)
    response = web.StreamResponse(headers=headers)
    response.content_length = stop - start
    if part is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    async with contents(request.app[DATABASE], request.app[STORES], stored, start, stop - start) as chunks:
        return await _send(request, response, chunks)


async def _direct_url(request: web.Request, stored: StoredFile, headers: Mapping[str, str]) -> str | None:
    return await direct_url(
        request.app[STORES],
        stored,
        disposition=headers[hdrs.CONTENT_DISPOSITION],
        content_type=headers[hdrs.CONTENT_TYPE],
    )


async def _send_archive(request: web.Request, found: Download) -> web.StreamResponse:
    database, stores = request.app[DATABASE], request.app[STORES]
    members = [
        Member(path=stored.place.path, size=stored.place.file.size, content=partial(contents, database, stores, stored))
        for stored in found.files
    ]
    headers = _headers(found, f"artifact-{found.artifact.id}.{TAR_GZ}", "application/octet-stream")
    async with aclosing(tar_gz(members, found.artifact.created_at)) as chunks:
        return await _send(request, web.StreamResponse(headers=headers), chunks)


async def _send(request: web.Request, response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send all chunks; when they end with an error, cut the connection: no end is better than a false one."""
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    sent = 0
    try:
        with admitted(request):
            async for chunk in chunks:
                await response.write(chunk)
                sent += len(chunk)
        if response.content_length not in {None, sent}:
            raise BrokenOff(sent)
        await response.write_eof()
    except Exception:
        if request.transport is not None and not request.transport.is_closing():  # else it is the client who has gone
            logger.exception("A download broke off: %s", request.path)
            request.transport.abort()
    return response


def _range_counts(request: web.Request, headers: Mapping[str, str]) -> bool:
    """Whether a ``Range`` is of the content that the client has in mind."""
    condition = request.headers.get(hdrs.IF_RANGE)
    return condition is None or condition.strip() in {headers[hdrs.ETAG], headers[hdrs.LAST_MODIFIED]}


def _headers_of_file(found: Download, stored: StoredFile) -> dict[str, str]:
    place = stored.place
    return _headers(found, place.path.name, safe_content_type(place.content_type)) | {
        hdrs.ETAG: f'"{place.file.digest.hex}"',
        hdrs.ACCEPT_RANGES: "bytes",
    }


def _headers(found: Download, name: str, content_type: str) -> dict[str, str]:
    return HARMLESS | {
        hdrs.CONTENT_TYPE: content_type,
        hdrs.CONTENT_DISPOSITION: attachment(name),
        hdrs.LAST_MODIFIED: http_date(found.artifact.created_at),
    }
