"""A plugin for the tests: the task ``hold``, which runs until a file appears, so that a fault can be timed exactly."""

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


@hookimpl
def debusine_tasks():
    yield Hold
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
