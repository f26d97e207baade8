"""Runs commands: never through a shell, with output straight to files, and ended with all that they started."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field

from debusine.domain.errors import DebusineError
from debusine.domain.work_requests import LOG_LIMIT
from debusine.worker.metering import Meter
from debusine.worker.run_logs import RunLog
from debusine.worker.starting import start

#: Descriptors: input, output, errors.
Streams: TypeAlias = tuple[int, int, int]

KEEPER = Path(__file__).with_name("keeper.py")

#: Seconds between TERM and KILL; a worker that stops has five for everything.
GRACE = 2.0
#: Seconds between two looks at the growing logs.
LOOK_INTERVAL = 0.2


class CommandLost(DebusineError):
    """The process that watches over a command died before it could say how the command ended."""

    def __init__(self, program: str) -> None:
        super().__init__(f"Nobody knows how {program} ended", detail="its keeper was killed; is there enough memory?")


@define(kw_only=True)
class Runner:
    """Runs the commands of one attempt."""

    meter: Meter
    #: All that commands find in their environment.
    environment: Mapping[str, str]
    #: Seconds.
    grace: float = GRACE
    _logs: dict[Path, RunLog] = field(factory=dict, init=False)

    async def run(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        stdin: Path | None = None,
        stdout: Path | None = None,
    ) -> int:
        """Run a command to its end and return its exit status, negative for a signal.

        Output is appended to ``log``; ``stdout`` takes standard output apart; ``stdin``: None for no input. When
        cancelled, the command and all that it started is gone before this returns. Raises ``FileNotFoundError`` when
        there is no such program.
        """
        kept = self._logs.setdefault(log, RunLog(log, LOG_LIMIT))
        with _streams(stdin, stdout, log) as streams:
            process = await self._start(argv, streams, cwd=cwd, env={**self.environment, **env})
        watch = asyncio.create_task(self._watch(kept), name="log watch")
        try:
            report = await _report(process, argv[0])
        finally:
            watch.cancel()
            await asyncio.to_thread(kept.finish)
        self.meter.add(report["cpu"], report["memory"])
        return int(report["status"])

    async def _start(self, argv: Sequence[str], streams: Streams, *, cwd: Path, env: Mapping[str, str]) -> Process:
        keeper = (sys.executable, "-I", "-S", str(KEEPER), str(self.grace), *map(str, streams))
        # A session of its own: Ctrl-C on the worker's terminal reaches the worker alone.
        return await start(
            *keeper,
            *argv,
            end=_tell_to_end,
            stdin=PIPE,
            stdout=PIPE,
            stderr=streams[-1],
            pass_fds=streams,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )

    async def _watch(self, log: RunLog) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            self.meter.look()
            await asyncio.to_thread(log.check)


async def _report(process: Process, program: str) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        said = await process.stdout.read()
    finally:
        _tell_to_end(process)
        await asyncio.shield(process.wait())
    if not said:
        raise CommandLost(program)
    report: dict[str, Any] = json.loads(said)
    if "error" in report:
        raise (FileNotFoundError if report["missing"] else OSError)(report["error"])
    return report


def _tell_to_end(keeper: Process) -> None:
    """Say the word to end: the keeper leaves when nothing of the command is left."""
    assert keeper.stdin is not None
    keeper.stdin.close()


@contextmanager
def _streams(stdin: Path | None, stdout: Path | None, log: Path) -> Iterator[Streams]:
    """Descriptors for the input, the output and the errors of a command."""
    with ExitStack() as opened:

        def open_(path: Path, flags: int) -> int:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
            opened.callback(os.close, descriptor)
            return descriptor

        source = open_(stdin or Path(os.devnull), os.O_RDONLY)
        errors = open_(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        output = errors if stdout is None else open_(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        yield source, output, errors
