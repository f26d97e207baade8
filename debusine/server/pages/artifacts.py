"""The page of an artifact."""

from collections.abc import Iterator
from itertools import islice

from aiohttp import web

from debusine.domain.files import ListedFile
from debusine.server.keys import DATABASE
from debusine.server.pages.layout import data, moment, page, size
from debusine.server.pages.markup import Content, Html, element, facts, link, table
from debusine.server.pages.place import in_its_place
from debusine.server.requests import path_id, subject
from debusine.server.urls import Urls, urls
from debusine.services import artifacts
from debusine.services.artifacts import ArtifactDescription

#: Files that a page shows; the API shows them all.
MOST = 1000


async def artifact_page(request: web.Request) -> web.Response:
    """Show an artifact and its files."""
    description = await request.app[DATABASE].read(artifacts.describe, subject(request), path_id(request))
    in_its_place(request, description.workspace.name)
    return page(f"Artifact {description.artifact.id}", *_content(description, urls(request)))


def _content(description: ArtifactDescription, known: Urls) -> Iterator[Content]:
    artifact, workspace = description.artifact, description.workspace.name
    maker = artifact.created_by_work_request
    yield facts(
        (
            ("Category", artifact.category),
            ("Workspace", workspace),
            ("Created", moment(artifact.created_at)),
            ("Expires", moment(artifact.expire_at) or "never"),
            ("Made by", link(known.work_request(workspace, maker), f"work request {maker}") if maker else None),
        )
    )
    yield element("h2", "Files")
    yield from _files(description, known)
    if shown := data(artifact.data):
        yield element("h2", "Data")
        yield shown


def _files(description: ArtifactDescription, known: Urls) -> Iterator[Content]:
    workspace, number = description.workspace.name, description.artifact.id
    if not description.files:
        yield element("p", "It has none.")
        return
    rows = (_row(file, known.file(workspace, number, file.path)) for file in islice(description.files, MOST))
    yield table(("Path", "Size", "SHA-256"), rows)
    if len(description.files) > MOST:
        yield element("p", f"… and {len(description.files) - MOST} more.")
    yield element("p", link(known.tar_gz(workspace, number), "Download all files as tar.gz"))


def _row(file: ListedFile, url: str) -> tuple[Content, str, Html]:
    name = link(url, file.path) if file.complete else f"{file.path} (not uploaded yet)"
    return name, size(file.size), element("code", file.hash)
