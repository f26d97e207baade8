"""The data directory has one user at a time: a server that starts waits for the operator, not for a server."""

import asyncio
import logging
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from debusine.cli import data_directory
from debusine.cli.data_directory import InUse, locked, locked_in_time
from tests.cli.processes import BIN, PATIENCE, environment

SERVER, ADMIN = "debusine-server", "debusine-admin"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_a_server_waits_for_the_operators_command_and_says_so_once(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "PATIENCE", 0.0)
    caplog.set_level(logging.INFO)

    async def end_once_it_was_told() -> None:
        while not caplog.messages:
            await asyncio.sleep(data_directory.LOOK)
        await asyncio.sleep(3 * data_directory.LOOK)  # it looks again and again, and could say so each time
        command.close()

    with ExitStack() as command:
        command.enter_context(locked(data_dir, ADMIN))
        ending = asyncio.create_task(end_once_it_was_told())
        async with locked_in_time(data_dir, SERVER, asyncio.Event()):
            holder = (data_dir / "lock").read_text()
        await ending

    assert holder.startswith(SERVER)
    assert len(caplog.messages) == 1
    assert re.fullmatch(
        rf"Waiting for debusine-admin \(process \d+\), which uses {re.escape(str(data_dir))}, for at most \d+ s",
        caplog.messages[0],
    )


async def test_it_gives_up_in_the_end(data_dir: Path) -> None:
    with locked(data_dir, ADMIN), pytest.raises(InUse, match="is in use by debusine-admin"):
        async with locked_in_time(data_dir, SERVER, asyncio.Event(), patience=0.1):
            pass


async def test_another_server_is_not_waited_for_as_long(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "PATIENCE", 0.0)
    with locked(data_dir, SERVER), pytest.raises(InUse, match="is in use by debusine-server"):
        async with locked_in_time(data_dir, SERVER, asyncio.Event(), patience=10 * PATIENCE):
            pass


def test_a_server_that_waits_can_be_stopped(data_dir: Path) -> None:
    command = [str(BIN / SERVER), "--data-dir", str(data_dir), "--listen", "127.0.0.1:0"]
    with locked(data_dir, ADMIN):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(None))
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()

    assert "Waiting for debusine-admin" in line
    assert (process.returncode, "is in use by debusine-admin" in rest) == (2, True)
    assert time.monotonic() - began < data_directory.LONG_PATIENCE / 2
