"""The program's edge: errors become one sentence and an exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from debusine.cli.client.hints import hint
from debusine.cli.client.options import Options
from debusine.cli.output import sentence, tell
from debusine.domain.errors import DebusineError

#: Exit statuses: the work ended badly, something was refused, the user had enough.
BAD_RESULT = 1
REFUSED = 3
INTERRUPTED = 130


class Program(click.Group):
    """A group of commands whose errors are sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        with told_errors(ctx):
            return super().invoke(ctx)


@contextmanager
def told_errors(context: click.Context) -> Iterator[None]:
    """Say what went wrong, and what to do, instead of a traceback."""
    try:
        yield
    except DebusineError as error:
        advice = hint(error, context.find_root().ensure_object(Options))
        tell(f"{sentence(error).rstrip('.')}. {advice}" if advice else sentence(error))
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        tell("Interrupted.")
        sys.exit(INTERRUPTED)
