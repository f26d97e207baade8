"""The API of work requests."""

from aiohttp import web
from attrs import asdict

from debusine.converter.json_sizes import is_large
from debusine.domain.errors import Invalid
from debusine.protocol.cursors import Cursor
from debusine.protocol.resources import (
    CompletionReport,
    EmptySubmission,
    WorkRequestPage,
    WorkRequestResource,
    WorkRequestSubmission,
    WorkRequestUpdate,
)
from debusine.server.answers import empty_answer, json_answer
from debusine.server.keys import COMPUTING, DATABASE, METHODS, SETTINGS, TASKS
from debusine.server.requests import attempt_header, path_id, running_header, structured, subject
from debusine.server.urls import Urls, urls
from debusine.services import aborts, attempts, explanations, listings, priorities, retries, work_requests
from debusine.services.work_requests import View


async def create_work_request(request: web.Request) -> web.Response:
    """Ask for work."""
    known = urls(request)  # before anything changes: it refuses a wrong Host
    submission = await structured(request, WorkRequestSubmission)
    database, tasks = request.app[DATABASE], request.app[TASKS]
    created = await database.write(
        work_requests.create, subject(request), tasks, submission, methods=request.app[METHODS]
    )
    return json_answer(resource_of(created, known))


async def get_work_request(request: web.Request) -> web.Response:
    """Describe a work request."""
    found = await request.app[DATABASE].read(work_requests.get, subject(request), path_id(request))
    return json_answer(resource_of(found, urls(request)))


async def explain_work_request(request: web.Request) -> web.Response:
    """Say why a work request waits."""
    database, tasks = request.app[DATABASE], request.app[TASKS]
    return json_answer(await database.read(explanations.explain, subject(request), tasks, path_id(request)))


async def list_work_requests(request: web.Request) -> web.Response:
    """List the work requests, newest first."""
    cursor = Cursor.parse(request.query["cursor"]) if "cursor" in request.query else None
    app, size, known = request.app, page_size(request), urls(request)
    page = await app[DATABASE].read(listings.page, subject(request), cursor, size, app[SETTINGS].limits.page_bytes)

    def answer() -> web.Response:
        return json_answer(
            WorkRequestPage(
                next=_url_of(request, known, page.next),
                previous=_url_of(request, known, page.previous),
                results=[resource_of(view, known) for view in page.views],
            )
        )

    large = is_large([view.work_request.task_data for view in page.views])
    return await app[COMPUTING].in_turn(answer) if large else answer()


async def update_work_request(request: web.Request) -> web.Response:
    """Change the priority of a work request."""
    known = urls(request)
    update = await structured(request, WorkRequestUpdate)
    changed = await request.app[DATABASE].write(
        priorities.adjust, subject(request), path_id(request), update.priority_adjustment
    )
    return json_answer(resource_of(changed, known))


async def retry_work_request(request: web.Request) -> web.Response:
    """Ask again for what was aborted or has failed; the answer is the new work request."""
    known = urls(request)
    await _expect_nothing(request)
    database, tasks = request.app[DATABASE], request.app[TASKS]
    created = await database.write(retries.retry, subject(request), tasks, path_id(request))
    return json_answer(resource_of(created, known))


async def abort_work_request(request: web.Request) -> web.Response:
    """Abort a work request that has not ended."""
    known = urls(request)
    await _expect_nothing(request)
    aborted = await request.app[DATABASE].write(aborts.abort, subject(request), path_id(request))
    return json_answer(resource_of(aborted, known))


async def get_next_for_worker(request: web.Request) -> web.Response:
    """Give a worker something to do."""
    known, running = urls(request), running_header(request)
    handed_out = await request.app[DATABASE].write(attempts.get_next, subject(request), running)
    if handed_out is None:
        return empty_answer(web.HTTPNoContent.status_code)
    return json_answer(resource_of(handed_out, known))


async def complete_work_request(request: web.Request) -> web.Response:
    """Take down how a worker's attempt ended."""
    report = await structured(request, CompletionReport)
    database, number = request.app[DATABASE], attempt_header(request)
    await database.write(attempts.complete, subject(request), path_id(request), number, report)
    return empty_answer()


def resource_of(view: View, known: Urls) -> WorkRequestResource:
    """A work request as it appears on the wire."""
    work_request = view.work_request
    values = asdict(work_request, recurse=False, filter=lambda field, _: field.name in SHOWN)
    return WorkRequestResource(
        **values,
        url=known.work_request(view.workspace, work_request.id),
        duration=work_request.duration,
        artifacts=list(view.artifacts),
        superseded_by=view.superseded_by,
        scope=known.scope,
        workspace=view.workspace,
    )


#: What the noun and the resource have in common; the resource names its workspace.
SHOWN = {field.name for field in WorkRequestResource.__attrs_attrs__} - {"workspace"}


def page_size(request: web.Request) -> int:
    """How many items a page is to have, at most."""
    limits = request.app[SETTINGS].limits
    text = request.query.get("page_size", str(limits.page_size))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= limits.max_page_size):
        message = f"This must be a whole number from 1 to {limits.max_page_size}."
        raise Invalid("Invalid query", validation_errors={"page_size": [message]})
    return int(text)


async def _expect_nothing(request: web.Request) -> None:
    if request.body_exists:
        await structured(request, EmptySubmission)


def _url_of(request: web.Request, known: Urls, cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    kept = {"page_size": request.query["page_size"]} if "page_size" in request.query else {}
    return known.api("work-request/", cursor=str(cursor), **kept)
