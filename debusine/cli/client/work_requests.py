"""The commands about work requests."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from debusine.cli.client.creating import print_refusal, print_success
from debusine.cli.client.given import STDIN, read_mapping
from debusine.cli.client.options import global_options
from debusine.cli.client.program import BAD_RESULT
from debusine.cli.client.session import Session, run
from debusine.cli.client.shown import artifact_shown, work_request_listed, work_request_shown
from debusine.cli.client.waiting import wait_for
from debusine.client import Missing, Refused
from debusine.domain.work_requests import MAX_TIMEOUT, Result, Status
from debusine.protocol.resources import WorkRequestResource

CREATE_EXAMPLES = """\b
Examples:
  echo 'result: true' | debusine create-work-request noop
  debusine create-work-request sbuild --data sbuild.yaml --wait
  debusine create-work-request lintian --data lintian.yaml --timeout 600 --workspace System
\b
sbuild.yaml, with artifact 12 a source package and 7 an environment:
  input:
    source_artifact: 12
  environment: 7
  host_architecture: amd64
"""
SHOW_EXAMPLES = """\b
Examples:
  debusine show-work-request 3
  debusine show-work-request 3 --wait            until it has ended; status 1 unless it succeeded
  debusine show-work-request 3 --json | jq -r .status
"""
LIST_EXAMPLES = """\b
Examples:
  debusine list-work-requests --limit 5
  debusine list-work-requests --json | jq -r '.results[] | [.id, .task_name, .status, .result] | @tsv'
"""
wait_option = click.option(
    "--wait", is_flag=True, help="Wait until it has ended; the exit status is 1 unless it succeeded."
)


@click.command(short_help="Ask for a task to be done.", epilog=CREATE_EXAMPLES)
@click.argument("task_name", metavar="TASK")
@click.option("--workspace", metavar="NAME", help="The workspace, instead of the server's default one.")
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    default=STDIN,
    help="The task's data as YAML, instead of standard input.",
)
@click.option(
    "--event-reactions",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="What is to happen after the work, as YAML.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(1, MAX_TIMEOUT),
    help="How long it may run, instead of the server's default.",
)
@wait_option
@global_options
def create_work_request(
    task_name: str, workspace: str | None, data: str, event_reactions: str | None, timeout: int | None, wait: bool
) -> None:
    """Ask for a task to be done."""
    if data == event_reactions == STDIN:
        raise click.UsageError("Standard input can be read only once: name a file for --data or --event-reactions.")
    task_data = read_mapping(data)
    reactions = read_mapping(event_reactions) if event_reactions else {}
    begin = STDIN in {data, event_reactions}

    async def create(session: Session) -> int:
        try:
            work_request = await session.client.create_work_request(
                task_name, task_data=task_data, event_reactions=reactions, workspace=workspace, timeout=timeout
            )
        except Refused as error:
            return print_refusal(session, error, begin=begin)
        _print_created(session, work_request, begin)
        return await _follow(session, work_request) if wait else 0

    run(create)


async def _follow(session: Session, work_request: WorkRequestResource) -> int:
    work_request = await wait_for(session, work_request)
    status = _status(work_request)
    if status:
        for reason in _reasons(work_request):
            session.tell(reason)
        session.tell(f"Its logs are among the artifacts that 'debusine show-work-request {work_request.id}' shows.")
    return status


def _reasons(work_request: WorkRequestResource) -> Iterator[str]:
    """What was said of why it did not succeed."""
    output = work_request.output_data or {}
    yield from (str(error["message"]) for error in output.get("errors") or [] if "message" in error)
    if reason := output.get("skip_reason"):
        yield str(reason)


def _print_created(session: Session, work_request: WorkRequestResource, begin: bool) -> None:
    message = f"Work request registered: {session.absolute(work_request.url)}"
    print_success(session, message, {"work_request_id": work_request.id}, begin=begin)
    sys.stdout.flush()


def _status(work_request: WorkRequestResource) -> int:
    return 0 if work_request.result == Result.SUCCESS else BAD_RESULT


@click.command(short_help="Show a work request.", epilog=SHOW_EXAMPLES)
@click.argument("work_request_id", metavar="ID", type=int)
@wait_option
@global_options
def show_work_request(work_request_id: int, wait: bool) -> None:
    """Show a work request and the artifacts that it made."""

    async def show(session: Session) -> int:
        work_request = await session.client.get_work_request(work_request_id)
        if wait:
            work_request = await wait_for(session, work_request)
        await print_work_request(session, work_request)
        return _status(work_request) if wait else 0

    run(show)


async def print_work_request(session: Session, work_request: WorkRequestResource) -> None:
    """Print a work request with the artifacts that it made."""
    artifacts = await asyncio.gather(*(_artifact(session, id_) for id_ in work_request.artifacts))
    session.print(work_request_shown(work_request, artifacts, await _waits(session, work_request)))


async def _waits(session: Session, work_request: WorkRequestResource) -> str | None:
    """Why a work request waits, if it does and the server says so."""
    if work_request.status not in {Status.BLOCKED, Status.PENDING}:
        return None
    with suppress(Refused):  # other servers than ours do not explain
        return (await session.client.explain_work_request(work_request.id)).summary
    return None


async def _artifact(session: Session, id_: int) -> dict[str, Any]:
    """An artifact of a work request; one that has expired meanwhile is no reason to show nothing."""
    try:
        return artifact_shown(await session.client.get_artifact(id_))
    except Missing as error:
        return {"id": id_, "error": str(error)}


@click.command(short_help="List the latest ones.", epilog=LIST_EXAMPLES)
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most."
)
@global_options
def list_work_requests(limit: int) -> None:
    """List the latest work requests, newest first."""

    async def show(session: Session) -> None:
        found = await session.client.list_work_requests(limit)
        session.print({"results": [work_request_listed(work_request) for work_request in found]})

    run(show)
