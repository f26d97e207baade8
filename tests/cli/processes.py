"""The server and the operator's command as the processes that they are."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from attrs import define

from scripts.demo.programs import as_user

BIN = Path(sys.executable).parent
PATIENCE = 60.0
#: Seconds until a program has stopped that was told to: five are promised, on a machine that has nothing else to do.
SOON = 15.0


@define
class Server:
    """A running ``debusine-server``."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    log: "Drain"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> float:
        """Ask it to stop; returns the seconds that it took."""
        began = time.monotonic()
        self.end(signal.SIGTERM)
        return time.monotonic() - began

    def end(self, how: signal.Signals) -> None:
        """Send it a signal, and see it end well."""
        self.process.send_signal(how)
        assert self.process.wait(PATIENCE) == 0, self.log.text()


@contextmanager
def running_server(data_dir: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server that answers; killed at the end if it still runs."""
    command = [str(BIN / "debusine-server"), "--data-dir", str(data_dir), "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(
        [*as_user(None), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(env),
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log = Drain(process.stderr)
    try:
        line = process.stdout.readline()
        assert "http://" in line, log.text()
        Drain(process.stdout)
        yield Server(process, line.split()[-1], data_dir, log)
    finally:
        process.kill()
        process.wait()


def run(program: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(BIN / program), *arguments],
        capture_output=True, text=True, timeout=PATIENCE, env=environment(env), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def environment(more: dict[str, str] | None) -> dict[str, str]:
    """Ours without what somebody may have set, and these variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEBUSINE_")}
    return kept | (more or {})


class Drain(threading.Thread):
    """Reads what a process says, so that it never waits for a reader."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        with self._stream:
            self._lines.extend(self._stream)

    def text(self) -> str:
        """Everything, once the process has ended."""
        self.join(PATIENCE)
        return "".join(self._lines)
