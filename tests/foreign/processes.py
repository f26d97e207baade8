"""The foreign programs as a test runs them, and a wire that breaks when it is told to."""

import contextlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from attrs import define, field, frozen

from scripts.demo.programs import as_user
from tests.e2e.farm import eventually, worker_account
from tests.foreign import client
from tests.wire.raw import PATIENCE
from tests.wire.server import Server

CHECKOUT = Path(__file__).parents[2]
#: The pauses of the real ones, shortened: 1 to 6 s between two connections become 20 to 120 ms.
SCALE = 0.02


@frozen
class Said:
    """What a command printed, and how it ended."""

    status: int
    out: str

    def yaml(self) -> Any:
        """The result of a command that succeeded."""
        assert self.status == 0, self
        return yaml.safe_load(self.out.rpartition("---\n")[2])


@frozen
class ForeignClient:
    """The foreign client with its configuration."""

    configuration: Path

    @classmethod
    def make(cls, directory: Path, url: str, key: str) -> "ForeignClient":
        """Write its configuration."""
        path = directory / f"client-{secrets.token_hex(4)}.ini"
        server = f"[server:local]\napi-url = {url}/api\nscope = debusine\ntoken = {key}\n"
        path.write_text(f"[General]\ndefault-server = local\n\n{server}")
        return cls(path)

    def arguments(self, *words: object) -> list[str]:
        """A command line."""
        return ["--config-file", str(self.configuration), "--scale", str(SCALE), *map(str, words)]

    def run(self, *words: object, given: object = None) -> Said:
        """Run a command in this process, which is quicker."""
        out, before = io.StringIO(), (sys.argv, sys.stdin)
        sys.argv, sys.stdin = ["client", *self.arguments(*words)], io.StringIO(json.dumps(given or {}))
        try:
            with contextlib.redirect_stdout(out):
                client.main()
        except SystemExit as end:
            return Said(int(end.code or 0), out.getvalue())
        finally:
            sys.argv, sys.stdin = before
        raise AssertionError("the client did not end")

    def create(self, directory: Path, *names: str, **options: str) -> Any:
        """Make an artifact of files of a directory."""
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        upload = ["--upload", *names] if names else []
        base = ["--upload-base-directory", directory]
        return self.run("create-artifact", "debusine:test", *words, *base, *upload).yaml()

    def start(self, *words: object) -> "subprocess.Popen[bytes]":
        """Run a command in a process of its own."""
        command = [sys.executable, "-m", "tests.foreign.client", *self.arguments(*words)]
        return subprocess.Popen([*as_user(None), *command], cwd=CHECKOUT, stderr=subprocess.PIPE)


@define
class ForeignWorker:
    """The foreign worker, its home, and its process when it runs."""

    home: Path
    options: tuple[str, ...] = ()
    #: Words before the command, and the Python of whoever they make it.
    prefix: list[str] = field(factory=lambda: as_user(None))
    python: str = sys.executable
    #: Where its program is.
    sources: Path = CHECKOUT
    process: "subprocess.Popen[bytes] | None" = None

    def configure(self, url: str, key: str | None = None) -> None:
        """Write its configuration; without a key it registers."""
        directory = self.home / ".config/debusine/worker"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.ini").write_text(f"[General]\napi-url = {url}/api\n")
        if key is not None:
            (directory / "token").touch(mode=0o600)
            (directory / "token").write_text(key)

    def give_away(self) -> None:
        """Its files belong to the worker's user, its program among them: a checkout may be closed to other users."""
        self.sources = self.home / "program"
        shutil.copytree(CHECKOUT / "tests/foreign", self.sources / "tests/foreign")
        for path in (self.home, *self.home.rglob("*")):
            shutil.chown(path, worker_account(), worker_account())

    def start(self) -> None:
        """Run it."""
        words = [self.python, "-m", "tests.foreign.worker", "--scale", str(SCALE), *self.options]
        environment = {"HOME": str(self.home), "PYTHONPATH": str(self.sources), "PATH": os.environ["PATH"],
                       "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *words], env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> Path:
        """What it says."""
        return self.home.with_suffix(".log")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def until_it_says(self, words: str, times: int = 1) -> None:
        """Wait for a line of its log."""
        eventually(f"{words!r} in {self.log}", lambda: self.log.read_text().count(words) >= times or None, PATIENCE)

    def end(self) -> int:
        """Wait for its end."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM."""
        assert self.process is not None
        self.process.terminate()
        return self.end()


@contextmanager
def foreign_worker(home: Path, server: Server, *options: str, key: str | None = None) -> Iterator[ForeignWorker]:
    """A foreign worker that has been started."""
    worker = ForeignWorker(home, options)
    worker.configure(server.url, key)
    worker.start()
    try:
        yield worker
    finally:
        if worker.alive and worker.process is not None:
            worker.process.kill()
            worker.process.wait()


class Wire:
    """A proxy in front of a server that breaks connections: each after as many bytes as were said, from the client."""

    def __init__(self, target: tuple[str, int], breaks: list[int]) -> None:
        self.target = target
        self.breaks = breaks
        self.broken = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the proxy is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        """Wait for the server, if it is not there just now."""
        far = eventually("the server takes connections", self._far, PATIENCE)
        threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()
        self._carry(near, far, True)

    def _far(self) -> socket.socket | None:
        with contextlib.suppress(OSError):
            return socket.create_connection(self.target)
        return None

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                carried += len(data)
                if counted and self.breaks and carried > self.breaks[0]:
                    self.breaks.pop(0)
                    self.broken += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def breaking_wire(server: Server, *breaks: int) -> Iterator[Wire]:
    """A proxy that breaks one connection after another in the middle."""
    wire = Wire(server.address, list(breaks))
    try:
        yield wire
    finally:
        wire.close()
