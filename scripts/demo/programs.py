"""The programs of the farm as processes: the server and the worker in the background, the commands to their end."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from scripts.demo.machine import WorkerAccount

BIN = Path(sys.executable).parent
START_TIMEOUT = 30.0
#: A worker ends its task's processes before it ends itself.
STOP_TIMEOUT = 20.0


class ProgramFailed(Exception):
    """A program of the farm did not do what the demo asked."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name} failed. It said:\n{said.strip()}")


@define
class Background:
    """A program that runs until it is told to stop, and ends with this process whatever happens to it."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, name: str, command: list[str], *, log: Path, user: str | None = None, home: Path | None = None
    ) -> "Background":
        """Run a program as a user, with its words in a log."""
        environment = dict(os.environ) if home is None else own_environment(home)
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*as_user(user), *command],
                env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=written, stderr=written,
                start_new_session=True,  # Ctrl-C is ours: the worker goes first, then the server
            )  # fmt: skip
        return cls(name, log, process)

    def check(self) -> None:
        """Raise `ProgramFailed` when the program has ended."""
        if self.process.poll() is not None:
            raise ProgramFailed(self.name, self.log.read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        """End the program in order, and by force when that takes too long."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@define
class Farm:
    """A server and a worker of this checkout, and the commands that talk to them."""

    data: Path
    account: WorkerAccount
    port: int
    running: list[Background] = field(factory=list)

    @property
    def url(self) -> str:
        """Where the server is found."""
        return f"http://127.0.0.1:{self.port}"

    def start_server(self) -> None:
        """Run the server, which answers once this returns."""
        command = [str(BIN / "debusine-server"), "--data-dir", str(self.server_data), "--listen", self.url[7:]]
        server = Background.start("debusine-server", command, log=self.data / "server.log")
        self.running.append(server)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            server.check()
            if time.monotonic() > deadline:
                raise ProgramFailed(server.name, "nothing answers at its address")
            time.sleep(0.1)

    def start_worker(self) -> None:
        """Run the worker as its user; the key of its own is kept for the next run."""
        key = self._kept("worker.key", "worker", "create", "demo-worker.localdomain")
        self._configure_worker(key)
        worker = Background.start(
            "debusine-worker",
            [str(self.account.program)],
            log=self.data / "worker.log",
            user=self.account.user,
            home=self.account.home,
        )
        self.running.append(worker)

    def configure_client(self) -> None:
        """Make the demo's user and its client's configuration."""
        if not (self.data / "user.key").exists():
            self.admin("user", "create", "demo")
        key = self._kept("user.key", "token", "create", "demo")
        # The farm answers on this machine only, so its pages may be opened without a key.
        self.admin("workspace", "set", "System", "--public")
        write_private(
            self.data / "client.ini",
            "[General]\ndefault-server = demo\n\n"
            f"[server:demo]\napi-url = {self.url}/api\nscope = debusine\ntoken = {key}\n",
        )

    def admin(self, *arguments: str) -> str:
        """What `debusine-admin` prints."""
        return run([str(BIN / "debusine-admin"), "--data-dir", str(self.server_data), *arguments])

    def client(self, *arguments: str, data: Mapping[str, Any] | None = None) -> Any:
        """What `debusine --json` prints."""
        command = [str(BIN / "debusine"), "--config-file", str(self.data / "client.ini"), "--json", *arguments]
        return json.loads(run(command, given=json.dumps(data) if data is not None else ""))

    def work_request(self, number: int) -> dict[str, Any]:
        """A work request as the API shows it: asking twice a second is no job for a new process each time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/api/1.0/work-request/{number}/", headers={"Token": self._key("user.key")})
            answer = json.loads(connection.getresponse().read())
        except OSError:
            self.check()  # a program that ended has said more about it
            raise
        finally:
            connection.close()
        assert isinstance(answer, dict)
        return answer

    def check(self) -> None:
        """Raise `ProgramFailed` when the server or the worker has ended."""
        for program in self.running:
            program.check()

    def stop(self) -> None:
        """End the worker, then the server."""
        while self.running:
            self.running.pop().stop()

    @property
    def server_data(self) -> Path:
        """The server's data directory."""
        return self.data / "server"

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _kept(self, name: str, *arguments: str) -> str:
        """A key that the operator's command prints, kept for the next run."""
        if not (self.data / name).exists():
            write_private(self.data / name, self.admin(*arguments).strip())
        return self._key(name)

    def _key(self, name: str) -> str:
        return (self.data / name).read_text().strip()

    def _configure_worker(self, key: str) -> None:
        directory = self.account.home / ".config/debusine/worker"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.ini").write_text(f"[General]\napi-url = {self.url}/api\n")
        write_private(directory / "token", key)
        directory.chmod(0o700)
        for path in (self.account.home, *self.account.home.rglob(".config"), *self.account.home.glob(".config/**/*")):
            if self.account.user:
                shutil.chown(path, self.account.user, self.account.user)


def run(command: list[str], *, given: str = "") -> str:
    """What a command prints; its progress goes where ours goes."""
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ProgramFailed(" ".join(command), done.stdout or "(nothing more than above)")
    return done.stdout


def as_user(user: str | None) -> list[str]:
    """The words before a command that make it run as a user and end when this process does."""
    words = ["setpriv", "--pdeathsig=TERM"]
    if user is not None:
        words += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    return [*words, "--"]


def own_environment(home: Path) -> dict[str, str]:
    """A worker's environment: nothing of the demo's own, as a service manager would start it."""
    kept = {name: os.environ[name] for name in ("LANG", "http_proxy", "https_proxy") if name in os.environ}
    return kept | {"HOME": str(home), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
