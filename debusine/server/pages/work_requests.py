"""The page of a work request."""

from collections.abc import Iterator, Sequence

from aiohttp import web

from debusine.domain.work_requests import Status
from debusine.server.keys import DATABASE, TASKS
from debusine.server.pages.layout import data, moment, page
from debusine.server.pages.markup import Content, Html, element, facts, joined, link, table
from debusine.server.pages.place import in_its_place
from debusine.server.requests import path_id, subject
from debusine.server.urls import Urls, urls
from debusine.services import histories
from debusine.services.histories import History, Try
from debusine.services.work_requests import View


async def work_request_page(request: web.Request) -> web.Response:
    """Show a work request, how it went and what it made."""
    database, tasks = request.app[DATABASE], request.app[TASKS]
    history = await database.read(histories.history, subject(request), tasks, path_id(request))
    in_its_place(request, history.view.workspace)
    found = history.view.work_request
    return page(f"Work request {found.id}: {found.task_name}", *_content(history, urls(request)))


def _content(history: History, known: Urls) -> Iterator[Content]:
    view, found = history.view, history.view.work_request
    state = found.status.value + (f": {found.result.value}" if found.result else "")
    yield facts(
        (
            ("Status", element("span", state, class_="state")),
            ("Why it waits", history.waits),
            ("Aborted by", history.aborted_by),
            ("Superseded by", _request(view, known, view.superseded_by)),
            ("Supersedes", _request(view, known, found.supersedes)),
            ("Workspace", view.workspace),
            ("Created", moment(found.created_at)),
            ("Started", moment(found.started_at)),
            ("Aborted" if found.status is Status.ABORTED else "Completed", moment(found.completed_at)),
            ("Duration", None if found.duration is None else f"{found.duration:.1f} s"),
            ("Time limit", f"{found.timeout} s"),
            ("Priority", str(found.priority)),
            ("Artifacts", _artifacts(view, known)),
        )
    )
    if history.tries:
        yield element("h2", "Attempts")
        yield _tries(history.tries)
    for heading, value in (("Task data", found.task_data), ("Output", found.output_data)):
        if shown := data(value):
            yield element("h2", heading)
            yield shown


def _tries(tries: Sequence[Try]) -> Html:
    named = any(each.worker for each in tries)
    head, *more = ("Number", "Worker", "Started", "Ended", "State")
    return table((head, *(more if named else more[1:])), (_row(each, named=named) for each in tries))


def _row(attempt: Try, *, named: bool) -> Sequence[Content]:
    times = (moment(attempt.started_at) or "", moment(attempt.ended_at) or "")
    return (str(attempt.number), *((attempt.worker or "",) if named else ()), *times, attempt.state)


def _request(view: View, known: Urls, other: int | None) -> Content | None:
    # In the same workspace: a retry changes nothing of that.
    return None if other is None else link(known.work_request(view.workspace, other), f"Work request {other}")


def _artifacts(view: View, known: Urls) -> Content | None:
    links = [link(known.artifact(view.workspace, number), str(number)) for number in view.artifacts]
    return joined(piece for found in links for piece in (found, " ")) if links else None
