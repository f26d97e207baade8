"""The commands about the farm as a whole."""

import click

from debusine.cli.client.options import global_options
from debusine.cli.client.session import Session, run
from debusine.converter.structure import unstructure

WHOAMI_EXAMPLES = """\b
Examples:
  debusine whoami
      user: alice
  debusine --server backup whoami
"""
STATUS_EXAMPLES = """\b
Examples:
  debusine service-status
  debusine --json service-status
"""


@click.command(short_help="Show as whom the server knows you.", epilog=WHOAMI_EXAMPLES)
@global_options
def whoami() -> None:
    """Show as whom the server knows the token of the configuration."""

    async def show(session: Session) -> None:
        session.print(unstructure(await session.client.who_am_i()))

    run(show)


@click.command(short_help="Show how busy the farm is.", epilog=STATUS_EXAMPLES)
@global_options
def service_status() -> None:
    """Show how much waits and runs, and how many workers there are."""

    async def show(session: Session) -> None:
        session.print(unstructure(await session.client.service_status()))

    run(show)
