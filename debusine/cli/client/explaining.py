"""The command that says why work waits."""

import click

from debusine.cli.client.options import global_options
from debusine.cli.client.session import Session, run
from debusine.converter.structure import unstructure

EXAMPLES = """\b
Examples:
  debusine explain-work-request 3
  debusine explain-work-request 3 --json | jq -r .summary
"""


@click.command(short_help="Say why a work request waits.", epilog=EXAMPLES)
@click.argument("work_request_id", metavar="ID", type=int)
@global_options
def explain_work_request(work_request_id: int) -> None:
    """Say why a work request waits, and what each worker lacks for it.

    A worker without reasons could have it now.
    """

    async def explain(session: Session) -> None:
        session.print(unstructure(await session.client.explain_work_request(work_request_id)))

    run(explain)
