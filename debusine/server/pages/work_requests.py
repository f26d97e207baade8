"""The page of a work request."""

from collections.abc import Iterator

from aiohttp import web

from debusine.server.keys import DATABASE
from debusine.server.pages.layout import data, moment, page
from debusine.server.pages.markup import Content, element, facts, joined, link
from debusine.server.pages.place import in_its_place
from debusine.server.requests import path_id, subject
from debusine.server.urls import Urls, urls
from debusine.services import work_requests
from debusine.services.work_requests import View


async def work_request_page(request: web.Request) -> web.Response:
    """Show a work request, how it went and what it made."""
    view = await request.app[DATABASE].read(work_requests.get, subject(request), path_id(request))
    in_its_place(request, view.workspace)
    title = f"Work request {view.work_request.id}: {view.work_request.task_name}"
    return page(title, *_content(view, urls(request)))


def _content(view: View, known: Urls) -> Iterator[Content]:
    found = view.work_request
    state = found.status.value + (f": {found.result.value}" if found.result else "")
    yield facts(
        (
            ("Status", element("span", state, class_="state")),
            ("Workspace", view.workspace),
            ("Created", moment(found.created_at)),
            ("Started", moment(found.started_at)),
            ("Completed", moment(found.completed_at)),
            ("Duration", None if found.duration is None else f"{found.duration:.1f} s"),
            ("Attempts", str(found.attempt)),
            ("Priority", str(found.priority)),
            ("Artifacts", _artifacts(view, known)),
        )
    )
    for heading, value in (("Task data", found.task_data), ("Output", found.output_data)):
        if shown := data(value):
            yield element("h2", heading)
            yield shown


def _artifacts(view: View, known: Urls) -> Content | None:
    links = [link(known.artifact(view.workspace, number), str(number)) for number in view.artifacts]
    return joined(piece for found in links for piece in (found, " ")) if links else None
