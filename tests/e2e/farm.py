"""A whole farm of real processes: a server, workers under their own user, and the commands."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import define, field

from scripts.demo.machine import CHECKOUT, WORKER_USER
from scripts.demo.programs import BIN, as_user, own_environment, write_private
from tests.e2e.hold import write_plugin
from tests.places import place
from tests.ports import reserved_port

T = TypeVar("T")
PATIENCE = 60.0


class NotInTime(AssertionError):
    """Something that was waited for did not happen."""


def eventually(what: str, ask: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Ask until there is an answer that counts."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise NotInTime(f"{what}: not within {patience:.0f} seconds")


@define
class Answer:
    """What an HTTP request brought."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@define
class Program:
    """A process and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, command: list[str], log: Path, environment: Mapping[str, str], user: str | None = None) -> "Program":
        with log.open("ab") as written:
            process = subprocess.Popen(
                [*as_user(user), *command], env=environment, cwd="/", stdin=subprocess.DEVNULL,
                stdout=written, stderr=written, start_new_session=True,
            )  # fmt: skip
        return cls(process, log)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it as the out-of-memory killer would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """End it in order; returns the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - begun


@define
class Farm:
    """The processes of one test, and where their files are."""

    directory: Path
    #: Readable for the worker's user, too.
    public: Path
    #: Where the server is found, also after it was started again.
    listen: str
    configuration: str = ""
    server: Program | None = None
    workers: list[Program] = field(factory=list)
    key: str = ""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.public / "plugins")}

    def start_server(self) -> None:
        """Run the server and wait until it answers."""
        self.data.mkdir(exist_ok=True)
        (self.data / "debusine.toml").write_text(self.configuration)
        log = self.directory / f"server-{time.monotonic_ns()}.log"
        command = [str(BIN / "debusine-server"), "--data-dir", str(self.data), "--listen", self.listen]
        self.server = server = Program.start(command, log, self.environment)
        eventually("the server is ready", lambda: self._is_ready(server))

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()

    def prepare_client(self) -> None:
        """Make a user and its client's configuration."""
        self.admin("user", "create", "alice")
        self.key = self.admin("token", "create", "alice").strip()
        write_private(
            self.directory / "client.ini",
            f"[General]\ndefault-server = e2e\n\n[server:e2e]\napi-url = http://{self.listen}/api\n"
            f"scope = debusine\ntoken = {self.key}\n",
        )

    def admin(self, *arguments: str) -> str:
        return self._run("debusine-admin", "--data-dir", str(self.data), *arguments)

    def client(self, *arguments: str, given: object = None) -> Any:
        """What ``debusine --json`` prints."""
        words = ["debusine", "--config-file", str(self.directory / "client.ini"), "--json", *arguments]
        return json.loads(self._run(*words, given="" if given is None else json.dumps(given)))

    def make_worker(self, name: str) -> Path:
        """Provision a worker; returns its home."""
        account = worker_account()
        home = self.public / name
        directory = home / ".config/debusine/worker"
        directory.mkdir(parents=True)
        # Below the farm: what a killed worker leaves goes with it.
        settings = f"api-url = http://{self.listen}/api\nwork-directory = {home}/runs\n"
        (directory / "config.ini").write_text(f"[General]\n{settings}")
        write_private(directory / "token", self.admin("worker", "create", f"{name}.example").strip())
        for path in (home, *home.rglob("*")):
            shutil.chown(path, account, account)
        return home

    def start_worker(self, home: Path) -> Program:
        environment = own_environment(home) | {"PYTHONPATH": str(self.public / "plugins")}
        log = self.directory / f"{home.name}-{time.monotonic_ns()}.log"
        worker = Program.start([str(worker_program())], log, environment, worker_user())
        self.workers.append(worker)
        return worker

    def request(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One HTTP request with the user's token, on a connection of its own."""
        sent = {"Token": self.key, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        host, _, port = self.listen.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def create_work_request(self, task: str, data: Mapping[str, Any]) -> int:
        answer = self.request("POST", "/api/1.0/work-request/", {"task_name": task, "task_data": dict(data)})
        assert answer.status == 200, answer.body
        return int(answer.json()["id"])

    def work_request(self, number: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.request("GET", f"/api/1.0/work-request/{number}/").json()
        return answer

    def wait_for(self, number: int, status: str, patience: float = PATIENCE) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            found = self.work_request(number)
            return found if found["status"] == status else None

        return eventually(f"work request {number} is {status}", reached, patience)

    def close(self) -> None:
        for program in (*self.workers, *([self.server] if self.server else [])):
            if program.process.poll() is None:
                program.kill()

    def _run(self, *words: str, given: str = "") -> str:
        command = [str(BIN / words[0]), *words[1:]]
        done = subprocess.run(command, input=given, capture_output=True, text=True, env=self.environment)
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    @staticmethod
    def _is_ready(server: Program) -> bool:
        if server.process.poll() is not None:
            message = f"the server ended: {server.said()}"
            raise AssertionError(message)
        return "is ready on http://" in server.said()


@contextmanager
def running_farm(directory: Path, configuration: str = "") -> Iterator[Farm]:
    """A farm with a server and a client; all its processes and files are gone when the block ends."""
    # Not below pytest's directory: the worker's user must reach its home.
    with place("e2e", mode=0o755) as public, reserved_port() as port:
        write_plugin(public / "plugins")
        farm = Farm(directory, public, f"127.0.0.1:{port}", configuration)
        try:
            farm.start_server()
            farm.prepare_client()
            yield farm
        finally:
            farm.close()


def worker_user() -> str | None:
    """Whom the worker's process becomes; None: whoever runs the tests."""
    return WORKER_USER if os.geteuid() == 0 else None


def worker_account() -> str | int:
    return WORKER_USER if os.geteuid() == 0 else os.geteuid()


def worker_program() -> Path:
    """The program that ``scripts/prepare worker`` installed."""
    base = Path("/var/lib") / WORKER_USER / "venv" if os.geteuid() == 0 else CHECKOUT / ".venv-worker"
    return base / "bin/debusine-worker"


def prepare_worker() -> None:
    """Have a worker of these sources in an environment of its own, or skip and say why."""
    done = subprocess.run([str(CHECKOUT / "scripts/prepare"), "worker"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"there is no worker to test with: {(done.stderr or done.stdout).strip()}")
