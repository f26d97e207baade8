"""The program as it starts, refuses to start, and stops."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import SOON
from tests.places import place
from tests.worker.fake_server import FakeServer
from tests.worker.program import WorkerProgram

NOBODY_THERE = "http://127.0.0.1:9/api"


@pytest.fixture
def program() -> Iterator[WorkerProgram]:
    # Not below pytest's own directory, which is closed to other users.
    with place("worker", mode=0o711, parent=Path("/var/tmp")) as home:
        yield WorkerProgram(home)


def configuration(program: WorkerProgram) -> Path:
    return program.home / ".config/debusine/worker"


def refused(program: WorkerProgram) -> tuple[int, str]:
    """The exit status and the one line that the program ends with."""
    program.give_away()
    done = subprocess.run(program.command(), capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr.splitlines()[-1]


def test_a_token_that_others_can_read_is_refused_with_exit_status_3(program: WorkerProgram) -> None:
    program.write_configuration(NOBODY_THERE, "t" * 64)
    (configuration(program) / "token").chmod(0o644)
    status, line = refused(program)
    assert status == 3
    assert "chmod 600" in line
    assert "t" * 64 not in line


def test_a_registration_that_fails_ends_with_exit_status_3_and_leaves_no_token(program: WorkerProgram) -> None:
    program.write_configuration(NOBODY_THERE, "t" * 64)
    (configuration(program) / "token").unlink()
    status, line = refused(program)
    assert status == 3
    assert "Cannot register at" in line
    assert not (configuration(program) / "token").exists()


def test_an_unknown_key_ends_with_exit_status_2(program: WorkerProgram) -> None:
    program.write_configuration(NOBODY_THERE, "t" * 64)
    with (configuration(program) / "config.ini").open("a") as stream:
        stream.write("api-ulr = x\n")
    status, line = refused(program)
    assert status == 2
    assert "unknown key 'api-ulr'" in line


def test_a_work_directory_of_somebody_else_ends_with_exit_status_2(program: WorkerProgram) -> None:
    program.write_configuration(NOBODY_THERE, "t" * 64)
    text = (configuration(program) / "config.ini").read_text()
    (configuration(program) / "config.ini").write_text(text.replace(f"{program.home}/runs", "/usr/share"))
    status, line = refused(program)
    assert status == 2
    assert "/usr/share" in line


async def test_a_second_worker_on_the_same_state_is_refused(program: WorkerProgram, server: FakeServer) -> None:
    program.write_configuration(f"{server.url}/api", server.token)
    first = await asyncio.create_subprocess_exec(*program.command())
    await server.until(lambda: server.metadata)
    status, line = await asyncio.to_thread(refused, program)
    first.terminate()
    await first.wait()
    assert status == 2
    assert "Another debusine-worker uses" in line


async def test_a_worker_that_is_told_to_stop_ends_well_and_soon(program: WorkerProgram, server: FakeServer) -> None:
    program.write_configuration(f"{server.url}/api", server.token)
    worker = await asyncio.create_subprocess_exec(*program.command())
    await server.until(lambda: server.metadata)
    told = time.monotonic()
    worker.terminate()
    assert await worker.wait() == 0
    assert time.monotonic() - told < SOON


async def test_the_log_tells_of_the_work_and_never_the_token(program: WorkerProgram, server: FakeServer) -> None:
    """Whatever the server says: here it says the token, which does not look like one."""
    server.token = "OnceUponATime4711"
    server.greetings.append({"type": "connection_closed", "reason": f"bad {server.token}"})
    number = server.add_work("noop", {"result": True})
    server.greetings.append({"text": "work_request_available"})
    program.write_configuration(f"{server.url}/api", server.token)
    worker = await asyncio.create_subprocess_exec(
        *program.command("--log-format", "json"), stderr=asyncio.subprocess.PIPE
    )
    await server.until(lambda: server.has_completed(1))
    assert worker.pid is not None
    shown = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    worker.terminate()
    _, said = await worker.communicate()

    lines = [json.loads(line) for line in said.decode().splitlines()]
    assert any(line.get("work_request") == number and line.get("attempt") == 1 for line in lines)
    assert any(line["message"] == "Disconnected. Reason: bad [hidden]" for line in lines)
    assert server.token not in said.decode()
    assert server.token not in (program.home / "worker.log").read_text()
    assert server.token.encode() not in shown
