"""A stranger's notification method: the package of the how-to page tells of work, beside one that never comes back."""

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import SOON
from tests.e2e.farm import Program, eventually
from tests.how_to import NOTIFICATION_PAGE, Environment, write_package

pytestmark = pytest.mark.e2e

#: Blocks a thread for ever, and no cancelling helps.
STUCK = """
import threading
from attrs import frozen
from debusine.plugin import NotificationMethod, Receipt, hookimpl, in_thread

@hookimpl
def debusine_notification_methods():
    yield Stuck

@frozen(kw_only=True)
class Options:
    pass

class Stuck(NotificationMethod):
    name = "stuck"
    Options = Options
    data_schema = {"type": "object"}

    async def send(self, channel, notification):
        await in_thread(threading.Event().wait)
        return Receipt()
"""


class Chat(http.server.ThreadingHTTPServer):
    """A chat server that remembers what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.heard: list[dict[str, Any]] = []


class Post(http.server.BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_strangers_methods_are_used_and_a_stuck_one_costs_its_calls_only(chat: Chat, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    package = write_package(NOTIFICATION_PAGE, tmp_path / "package")
    environment = Environment.make(tmp_path / "environment")
    environment.install(package)
    environment.plant("debusine-notify-stuck", "debusine_notify_stuck", STUCK)
    address = f"http://127.0.0.1:{chat.server_port}/"
    page = (package / "debusine.toml").read_text().replace("https://chat.example.org/hooks/farm", address)
    configuration = tmp_path / "debusine.toml"
    configuration.write_text(f"{page}\n[limits]\nnotification_call = 0.2\nnotification_calls = 1\n")
    options = ["--config", str(configuration), "--data-dir", str(tmp_path / "data")]

    def admin(*arguments: str) -> str:
        done = environment.run(environment.program("debusine-admin", *options, *arguments))
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "empty.yaml").write_text("{}\n")
    admin("channel", "create", "builders", "webhook", "--data", str(package / "channel.yaml"))
    admin("channel", "create", "hole", "stuck", "--data", str(tmp_path / "empty.yaml"))
    admin("user", "create", "alice")
    key = admin("token", "create", "alice").strip()
    command = environment.program("debusine-server", *options, "--listen", "127.0.0.1:0")
    server = Program.start(command, tmp_path / "server.log", environment.variables)
    try:
        url = eventually("the server is ready", lambda: address_of(server))
        numbers = [create(url, key, channel) for channel in ("hole", "hole", "builders", "hole", "builders")]

        eventually("the chat hears of both", lambda: len(chat.heard) == 2)
        eventually("both are recorded", lambda: server.said().count("was delivered") == 2)
        eventually("the stuck call is noted", lambda: "The notification method stuck" in server.said())
        assert server.stop() < SOON
    finally:
        if server.process.poll() is None:
            server.kill()

    assert server.process.returncode == 0, server.said()
    assert sorted(message["text"].splitlines()[0] for message in chat.heard) == [
        f"Build {numbers[2]}:",
        f"Build {numbers[4]}:",
    ]
    assert {message["room"] for message in chat.heard} == {"#builders"}


def create(url: str, key: str, channel: str) -> int:
    reactions = {"on_creation": [{"action": "send-notification", "channel": channel}]}
    body = json.dumps({"task_name": "noop", "event_reactions": reactions}).encode()
    headers = {"Token": key, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/1.0/work-request/", body, headers)) as answer:
        return int(json.load(answer)["id"])


def address_of(server: Program) -> str | None:
    assert server.process.poll() is None, server.said()
    ready = [line for line in server.said().splitlines() if "is ready on http://" in line]
    return ready[0].rpartition(" ")[2].rstrip("/") if ready else None
