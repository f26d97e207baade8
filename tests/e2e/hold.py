"""A plugin for the tests: the task ``hold``, which runs until a file appears, so that a fault can be timed exactly.

And the task ``stubborn``, which ignores the word to end, as does what it starts.
"""

from pathlib import Path

MODULE = '''
"""The task that waits."""

import sys

from attrs import frozen

from debusine.plugin import Result, Task, TaskContext, hookimpl

SCRIPT = """
import os, pathlib, sys, time
gate = pathlib.Path(sys.argv[1])
gate.with_suffix(f".{sys.argv[2]}.pid").write_text(str(os.getpid()))
while not gate.exists():
    time.sleep(0.02)
"""


@frozen(kw_only=True)
class HoldData:
    """What to wait for."""

    gate: str


class Hold(Task[HoldData]):
    """Runs until a file appears, then makes an artifact."""

    name = "hold"
    Data = HoldData

    async def run(self, context: TaskContext) -> Result:
        done = await context.run(
            [sys.executable, "-c", SCRIPT, self.data.gate, context.directory.name], log="hold.log"
        )
        made = context.directory / "made.txt"
        made.write_text("made once")
        await context.upload("debusine:test", data={}, files={"made.txt": made})
        return Result.SUCCESS if done.returncode == 0 else Result.FAILURE


STUBBORN = """
import contextlib, os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    os.fork()
with contextlib.suppress(OSError):  # the mark may be no path, or lie outside the sandbox
    pathlib.Path(f"{sys.argv[1]}.{os.getpid()}").touch()
while True:
    time.sleep(1)
"""


@frozen(kw_only=True)
class StubbornData:
    """How to start it; the mark stands in the command line of each of its processes, and may be a path for signs."""

    mark: str
    wrapped_in: tuple[str, ...] = ()
    sandbox: bool = False


class Stubborn(Task[StubbornData]):
    """Never ends by itself: three processes, two of them in a session of their own."""

    name = "stubborn"
    Data = StubbornData

    async def run(self, context: TaskContext) -> Result:
        command = [*self.data.wrapped_in, "/usr/bin/python3", "-c", STUBBORN, self.data.mark]
        await context.run(command, log="stubborn.log", sandbox=self.data.sandbox)
        return Result.SUCCESS


@hookimpl
def debusine_tasks():
    yield Hold
    yield Stubborn
'''


def write_plugin(directory: Path) -> None:
    """Lay the plugin out as if it were installed: any process with this directory in PYTHONPATH finds it."""
    facts = directory / "debusine_test_hold-1.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: debusine-test-hold\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[debusine]\nhold = debusine_test_hold\n")
    (directory / "debusine_test_hold.py").write_text(MODULE)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755)
