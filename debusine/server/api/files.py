"""``artifact/ID/files/PATH/``: the bytes of files come in."""

from http import HTTPStatus

from aiohttp import web

from debusine.domain.files import ArtifactPath, InvalidPath
from debusine.protocol.ranges import ContentRange, format_received
from debusine.server.admissions import admitted
from debusine.server.answers import empty_answer
from debusine.server.keys import UPLOADS
from debusine.server.requests import attempt_header, chunks, path_id, subject
from debusine.services.bodies import Body
from debusine.services.receptions import Progress
from debusine.services.upload_records import Wanted


async def put_file(request: web.Request) -> web.Response:
    """Say how far a file is (a probe), or take a chunk or all of it."""
    part = _content_range(request)
    if part is not None and part.probe:
        return _probed(await request.app[UPLOADS].probe(_wanted(request), part.size))
    body = Body(chunks(request), request.content_length)
    with admitted(request):
        return _taken(await request.app[UPLOADS].receive(_wanted(request), part, body))


def artifact_path(request: web.Request, path: str) -> ArtifactPath:
    """The path of a file, from the request's path; ``InvalidPath`` when a slash hides in it as ``%2F``."""
    if "%2f" in request.raw_path.partition("?")[0].lower():
        raise InvalidPath(path, "it has a slash that is written as %2F")
    return ArtifactPath(path)


def _wanted(request: web.Request) -> Wanted:
    return Wanted(
        subject=subject(request),
        artifact=path_id(request),
        path=artifact_path(request, request.match_info["path"]),
        attempt=attempt_header(request),
    )


def _content_range(request: web.Request) -> ContentRange | None:
    value = request.headers.get("Content-Range")
    return None if value is None else ContentRange.parse(value)


def _probed(progress: Progress) -> web.Response:
    """206 is what clients expect of an unfinished file, and the header is ``Range``, not ``Content-Range``."""
    if progress.complete:
        return empty_answer(HTTPStatus.OK)
    return empty_answer(HTTPStatus.PARTIAL_CONTENT, {"Range": format_received(progress.received)})


def _taken(progress: Progress) -> web.Response:
    if progress.complete:
        return empty_answer(HTTPStatus.CREATED)
    return empty_answer(HTTPStatus.OK, {"Range": format_received(progress.received)})
