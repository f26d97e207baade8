"""``artifact/``: artifacts are declared and described."""

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import web

from debusine.converter.json_sizes import is_large
from debusine.converter.structure import unstructure
from debusine.domain.files import File, ListedFile
from debusine.protocol.resources import ArtifactResource, ArtifactSubmission
from debusine.server.answers import plain_answer
from debusine.server.keys import COMPUTING, DATABASE, SETTINGS, STORES, UPLOADS
from debusine.server.requests import attempt_header, path_id, structured, subject
from debusine.server.urls import Urls, urls
from debusine.services import artifacts
from debusine.services.artifacts import ArtifactDescription
from debusine.services.declarations import declaration

#: Artifacts with more files than this are looked at in a thread, so that they do not stall everybody else.
INLINE = 500


async def create_artifact(request: web.Request) -> web.Response:
    """Make an artifact; 201 with what it is and which files are still to be sent."""
    known = urls(request)  # before anything changes: it refuses a wrong Host
    submission = await structured(request, ArtifactSubmission)
    app = request.app
    declared = await app[COMPUTING].in_turn(partial(declaration, submission, app[SETTINGS].limits))
    description = await artifacts.create(
        app[DATABASE], app[STORES], app[UPLOADS].spool, subject(request), declared, attempt_header(request)
    )
    return await _answer(request, known, description, HTTPStatus.CREATED)


async def get_artifact(request: web.Request) -> web.Response:
    """Describe an artifact."""
    description = await request.app[DATABASE].read(artifacts.describe, subject(request), path_id(request))
    return await _answer(request, urls(request), description, HTTPStatus.OK)


def artifact_values(description: ArtifactDescription, urls: Urls) -> dict[str, Any]:
    """An artifact as it appears on the wire, in plain values."""
    artifact, workspace = description.artifact, description.workspace.name
    resource = ArtifactResource(
        id=artifact.id,
        url=urls.artifact(workspace, artifact.id),
        scope=urls.scope,
        workspace=workspace,
        category=artifact.category,
        data=dict(artifact.data),
        created_at=artifact.created_at,
        expire_at=artifact.expire_at,
        download_tar_gz_url=urls.tar_gz(workspace, artifact.id),
        files_to_upload=[file.path for file in description.files if not file.complete],
    )
    return {**unstructure(resource), "files": _files(description.files, below=urls.file(workspace, artifact.id, ""))}


def _files(files: Iterable[ListedFile], below: str) -> dict[str, Any]:
    """Each a ``FileResource``, as plain values from the beginning: there are thousands, and they took half the time."""
    return {
        file.path: {
            "size": file.size,
            "checksums": {File.current_hash_algorithm: file.hash},
            "type": "file",
            "url": below + quote(file.path),
            "content_type": file.content_type,
        }
        for file in files
    }


async def _answer(request: web.Request, known: Urls, description: ArtifactDescription, status: int) -> web.Response:
    def answer() -> web.Response:
        return plain_answer(artifact_values(description, known), status=status)

    large = len(description.files) > INLINE or is_large(description.artifact.data)
    return await request.app[COMPUTING].in_turn(answer) if large else answer()
