"""Commands: no shell, whole groups, bounded logs."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from debusine.worker import runner as runner_module
from debusine.worker.metering import Meter
from debusine.worker.processes import MARKER, end_processes_of, processes_of
from debusine.worker.runner import CommandLost, Runner

#: Seconds; far more than anything here takes.
LONG = 60.0


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    environment = {"PATH": os.environ["PATH"], MARKER: str(tmp_path)}
    return Runner(meter=Meter(tmp_path), environment=environment, grace=0.2)


async def run(runner: Runner, tmp_path: Path, *argv: str, stdout: Path | None = None) -> int:
    return await runner.run(argv, log=tmp_path / "a.log", cwd=tmp_path, env={}, stdout=stdout)


def python(tmp_path: Path, text: str) -> list[str]:
    """A program of its own, so that no test needs a shell."""
    path = tmp_path / f"program{len(list(tmp_path.iterdir()))}.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, "-I", "-S", str(path)]


async def until_written(path: Path) -> str:
    async with asyncio.timeout(LONG):
        while not path.exists() or not path.read_text():
            await asyncio.sleep(0.01)
    return path.read_text()


async def run_until_written(runner: Runner, tmp_path: Path, program: list[str]) -> None:
    """Run a program whose time is over as soon as it has written its process id."""

    async def reach(limit: asyncio.Timeout) -> None:
        await until_written(tmp_path / "pid")
        limit.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as limit:
        reaching = asyncio.create_task(reach(limit))
        await run(runner, tmp_path, *program)
    await reaching


async def until_gone(*processes: int) -> None:
    async with asyncio.timeout(LONG):
        while any(map(psutil.pid_exists, processes)):
            await asyncio.sleep(0.01)


async def test_a_command_ends_with_its_exit_status_and_its_output_in_the_log(runner: Runner, tmp_path: Path) -> None:
    program = python(tmp_path, "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(7)")
    assert await run(runner, tmp_path, *program) == 7
    assert (tmp_path / "a.log").read_text() == "out\nerr\n"


async def test_standard_output_can_be_kept_apart(runner: Runner, tmp_path: Path) -> None:
    program = python(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)")
    await run(runner, tmp_path, *program, stdout=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "out\n"
    assert (tmp_path / "a.log").read_text() == "err\n"


async def test_nothing_runs_through_a_shell(runner: Runner, tmp_path: Path) -> None:
    await run(runner, tmp_path, "echo", "$HOME; touch pwned", "`id`", "a b", "*")
    assert (tmp_path / "a.log").read_text() == "$HOME; touch pwned `id` a b *\n"
    assert not (tmp_path / "pwned").exists()


async def test_a_program_that_is_not_there_is_named(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await run(runner, tmp_path, "no-such-program")


async def test_a_command_that_is_killed_ends_with_its_negative_signal(runner: Runner, tmp_path: Path) -> None:
    program = python(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert await run(runner, tmp_path, *program) == -signal.SIGKILL


async def test_a_command_sees_a_clean_environment_and_no_input(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUSINE_SECRET", "hidden")
    program = python(tmp_path, "import os, sys; print(sorted(os.environ), repr(sys.stdin.read()), os.getcwd())")
    await run(runner, tmp_path, *program)
    text = (tmp_path / "a.log").read_text()
    assert "DEBUSINE_SECRET" not in text
    assert text.endswith(f"'' {tmp_path}\n")


async def test_a_command_leads_a_session_of_its_own(runner: Runner, tmp_path: Path) -> None:
    await run(runner, tmp_path, *python(tmp_path, "import os; print(os.getsid(0) == os.getpid() == os.getpgrp())"))
    assert (tmp_path / "a.log").read_text() == "True\n"


async def test_what_a_command_leaves_running_is_gone_when_it_ends(runner: Runner, tmp_path: Path) -> None:
    program = python(
        tmp_path,
        f"""
        import os, time
        if not os.fork():
            os.setsid()
            if not os.fork():
                open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        while not os.path.exists({str(tmp_path / "pid")!r}) or not os.path.getsize({str(tmp_path / "pid")!r}):
            time.sleep(0.01)
        """,
    )
    assert await run(runner, tmp_path, *program) == 0
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


STUBBORN = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not os.fork():
        os.setsid()
        if not os.fork():
            open({path!r}, "w").write(f"{{os.getpid()}}")
            time.sleep(600)
        os._exit(0)
    os.wait()
    time.sleep(600)
    """


async def test_the_time_limit_ends_a_run_and_all_that_it_started(runner: Runner, tmp_path: Path) -> None:
    program = python(tmp_path, STUBBORN.format(path=str(tmp_path / "pid")))
    with pytest.raises(TimeoutError):
        await run_until_written(runner, tmp_path, program)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert not processes_of(tmp_path)


async def test_a_command_may_end_by_itself_when_it_is_told_to(runner: Runner, tmp_path: Path) -> None:
    runner.grace = LONG
    program = python(
        tmp_path,
        """
        import pathlib, signal, sys, time
        def end(*_):
            print("goodbye", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        pathlib.Path("ready").write_text("yes")
        time.sleep(600)
        """,
    )
    task = asyncio.create_task(run(runner, tmp_path, *program))
    await until_written(tmp_path / "ready")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "a.log").read_text() == "goodbye\n"


@pytest.mark.parametrize("steps", range(12))
async def test_a_run_can_be_cancelled_at_any_moment_also_while_it_starts(
    runner: Runner, tmp_path: Path, steps: int
) -> None:
    task = asyncio.create_task(run(runner, tmp_path, "sleep", "600"))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(LONG):
        await asyncio.wait([task])
    assert not processes_of(tmp_path)


async def test_a_worker_that_is_killed_takes_its_commands_with_it(tmp_path: Path) -> None:
    program = python(tmp_path, STUBBORN.format(path=str(tmp_path / "pid")))
    worker = python(
        tmp_path,
        f"""
        import asyncio, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from debusine.worker.metering import Meter
        from debusine.worker.runner import Runner
        here = Path({str(tmp_path)!r})
        runner = Runner(meter=Meter(here), environment={{"DEBUSINE_RUN": str(here)}}, grace=0.2)
        asyncio.run(runner.run({program!r}, log=here / "a.log", cwd=here, env={{}}))
        """,
    )
    process = await asyncio.create_subprocess_exec(*worker)
    grandchild = int(await until_written(tmp_path / "pid"))
    process.kill()
    await process.wait()
    await until_gone(grandchild)
    assert not psutil.pid_exists(grandchild)


async def test_what_survives_a_killed_keeper_is_found_and_ended(runner: Runner, tmp_path: Path) -> None:
    program = python(tmp_path, STUBBORN.format(path=str(tmp_path / "pid")))
    task = asyncio.create_task(run(runner, tmp_path, *program))
    grandchild = int(await until_written(tmp_path / "pid"))
    keeper = next(process for process in psutil.Process().children() if "keeper.py" in " ".join(process.cmdline()))
    keeper.kill()
    with pytest.raises(CommandLost):
        await task
    assert grandchild in processes_of(tmp_path)
    assert end_processes_of(tmp_path) == 0
    await until_gone(grandchild)


async def test_a_log_cannot_grow_without_bound(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(runner_module, "LOG_LIMIT", 1 << 20)
    program = python(tmp_path, "for number in range(200_000): print(number, 'x' * 100)\nprint('the end')")
    assert await run(runner, tmp_path, *program) == 0
    text = (tmp_path / "a.log").read_text()
    assert len(text) < (1 << 20) + 200
    assert text.startswith("0 xxx")
    assert text.endswith("the end\n")


async def test_a_run_is_measured(runner: Runner, tmp_path: Path) -> None:
    await run(
        runner,
        tmp_path,
        *python(tmp_path, "x = bytearray(50 << 20); import time\nwhile time.process_time() < 0.2: pass"),
    )
    await run(runner, tmp_path, "true")
    statistics = runner.meter.statistics()
    assert statistics.memory is not None
    assert statistics.memory > 50 << 20
    assert statistics.cpu_count == os.cpu_count()
    assert runner.meter._cpu >= 0.2
