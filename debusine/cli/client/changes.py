"""The commands that change work requests: their priority, and whether they are wanted."""

import click

from debusine.cli.client.options import global_options
from debusine.cli.client.session import Session, run
from debusine.cli.client.work_requests import print_work_request
from debusine.domain.work_requests import MAX_PRIORITY_ADJUSTMENT

MANAGE_EXAMPLES = """\b
Examples:
  debusine manage-work-request 3 --set-priority-adjustment 100     before what others asked for
  debusine manage-work-request 3 --set-priority-adjustment -10     after it
"""
RETRY_EXAMPLES = """\b
Examples:
  debusine retry-work-request 3
  debusine show-work-request --wait $(debusine retry-work-request 3 --json | jq .id)
"""
ABORT_EXAMPLES = """\b
Examples:
  debusine abort-work-request 3
  debusine list-work-requests --json | jq '.results[] | select(.status == "pending").id' |
    xargs -n 1 debusine --silent abort-work-request
"""


@click.command(short_help="Change the priority of a work request.", epilog=MANAGE_EXAMPLES)
@click.argument("work_request_id", metavar="ID", type=int)
@click.option(
    "--set-priority-adjustment",
    "adjustment",
    metavar="N",
    required=True,
    type=click.IntRange(-MAX_PRIORITY_ADJUSTMENT, MAX_PRIORITY_ADJUSTMENT),
    help="What is added to its priority: above 0 only for superusers, below for whoever created it, too.",
)
@global_options
def manage_work_request(work_request_id: int, adjustment: int) -> None:
    """Change the priority of a work request, and print it.

    Waiting work goes by its priority, and by its age where that is the same.
    """

    async def manage(session: Session) -> None:
        await print_work_request(session, await session.client.adjust_priority(work_request_id, adjustment))

    run(manage)


@click.command(short_help="Ask again for aborted or failed work.", epilog=RETRY_EXAMPLES)
@click.argument("work_request_id", metavar="ID", type=int)
@global_options
def retry_work_request(work_request_id: int) -> None:
    """Ask again for work that was aborted or has failed, and print the new work request.

    The old one stays as it is; what depends on it depends on the new one from now on.
    """

    async def retry(session: Session) -> None:
        await print_work_request(session, await session.client.retry_work_request(work_request_id))

    run(retry)


@click.command(short_help="Abort work that waits or runs.", epilog=ABORT_EXAMPLES)
@click.argument("work_request_id", metavar="ID", type=int)
@global_options
def abort_work_request(work_request_id: int) -> None:
    """Abort work that is blocked, pending or running, and print it.

    What depends on it stays blocked until it is retried. A worker of debusine's ends what runs within seconds; other
    workers run it to its end, and nobody sees its results.
    """

    async def abort(session: Session) -> None:
        await print_work_request(session, await session.client.abort_work_request(work_request_id))

    run(abort)
