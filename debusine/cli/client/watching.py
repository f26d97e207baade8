"""``on-work-request-completed``: a command for each work request that ends."""

import asyncio
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

import click
from attrs import define

from debusine.cli.client.heard_file import HeardFile
from debusine.cli.client.options import global_options
from debusine.cli.client.session import Session, run
from debusine.cli.client.variadic import VariadicCommand
from debusine.cli.output import tell
from debusine.client import Completion, Watch
from debusine.domain.errors import DebusineError, Invalid

EXAMPLES = """\b
Examples:
  debusine on-work-request-completed ./tell-me
      runs './tell-me 17 success' when work request 17 has succeeded
  debusine on-work-request-completed --workspace Sid Backports --last-completed-at heard.json -- logger -t farm
      goes on where it was when it is started again, and misses nothing
"""


class NoSuchCommand(Invalid):
    """There is nothing to run."""

    def __init__(self, command: str) -> None:
        super().__init__(f"There is no command {command}; give its path, or the name of a program in PATH")


class CannotRun(DebusineError):
    """The command is there and does not start."""

    def __init__(self, command: str, reason: str | None) -> None:
        super().__init__(f"{command} cannot be run", detail=reason)


#: By these a watcher is told to stop.
_STOP = (signal.SIGINT, signal.SIGTERM)


@click.command(
    cls=VariadicCommand, variadic=["--workspace"], short_help="Run a command whenever one has ended.", epilog=EXAMPLES
)
@click.argument("command")
@click.argument("arguments", metavar="[ARG…]", nargs=-1)
@click.option("--workspace", "workspaces", metavar="NAME…", multiple=True, help="Only work requests in these.")
@click.option(
    "--last-completed-at",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep here how far it is, and begin with what ended since.",
)
@global_options
def on_work_request_completed(
    command: str, arguments: tuple[str, ...], workspaces: tuple[str, ...], path: Path | None
) -> None:
    """Run COMMAND ARG… ID RESULT for each work request that ends with success, failure or error, one by one."""
    found = shutil.which(command)
    if found is None:
        raise NoSuchCommand(command)
    file = None if path is None else HeardFile(path)
    heard = None if file is None else file.read()

    async def react(session: Session) -> None:
        if file is not None and heard is None:
            session.tell(f"There is no {path} yet: it begins with what ends from now on.")
        watch = session.client.watch(workspaces, heard)
        reaction = Reaction(session, watch, (found, *arguments), file)
        with leaving_when_told():
            async with aclosing(watch.completions(reaction.begin)) as completions:
                async for completion in completions:
                    await reaction.to(completion)

    run(react)


@contextmanager
def leaving_when_told() -> Iterator[None]:
    """Leave the block, in order, at Ctrl-C or SIGTERM: that is how watching ends."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in _STOP:
        loop.add_signal_handler(number, task.cancel)
    try:
        with suppress(asyncio.CancelledError):
            yield
    finally:
        for number in _STOP:
            loop.remove_signal_handler(number)


@define
class Reaction:
    """Runs the command, and remembers for what it has run."""

    session: Session
    watch: Watch
    command: Sequence[str]
    file: HeardFile | None

    def begin(self) -> None:
        """The server was reached, for the first time or again."""
        self.session.tell("Connected.")
        self._remember()

    async def to(self, completion: Completion) -> None:
        """Run the command to its end, then remember that it has run, whatever came of it."""
        process = await self._start(str(completion.work_request), completion.result)
        ended = asyncio.ensure_future(process.wait())
        try:
            status = await asyncio.shield(ended)
        except asyncio.CancelledError:
            if await ended == 0:  # otherwise it was most likely told to stop as well, and has to run again
                self._remember()
            raise
        if status:
            tell(f"{self.command[0]} ended with status {status} for work request {completion.work_request}.")
        self._remember()

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(*self.command, *arguments, stdin=asyncio.subprocess.DEVNULL)
        except OSError as error:
            raise CannotRun(self.command[0], error.strerror) from error

    def _remember(self) -> None:
        if self.file is not None:
            self.file.write(self.watch.heard)
