"""Mail about work, from real processes to a real SMTP server: once, and in spite of everything."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import SOON
from tests.e2e.farm import Farm, eventually, running_farm
from tests.ports import reserved_port
from tests.smtp import PASSWORD, USERNAME, Authority, Mailbox, authenticate, bad_server, mail_server

pytestmark = pytest.mark.e2e

CHANNEL = {
    "from": "farm@example.org",
    "to": ["alice@example.org"],
    "subject": "no. $work_request_id: $work_request_result",
}

CONFIGURATION = """
public_url = "https://farm.example.org"
{database}
[limits]
notification_backoff = 0.2
sweep = 0.2
[notifications.email.options]
server = "127.0.0.1"
port = {port}
{more}
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nobody listens yet, and nobody else will."""
    with reserved_port() as port:
        yield port


@pytest.fixture
def more() -> str:
    """The rest of the method's settings."""
    return 'tls = "none"'


@pytest.fixture
def farm(tmp_path: Path, database_url: str, port: int, more: str) -> Iterator[Farm]:
    """A server that sends mail to the port, with a channel."""
    database = "" if database_url.startswith("sqlite") else f"database = {json.dumps(database_url)}"
    with running_farm(tmp_path, CONFIGURATION.format(database=database, port=port, more=more)) as farm:
        data = tmp_path / "channel.yaml"
        data.write_text(json.dumps(CHANNEL))
        farm.admin("channel", "create", "mail", "email", "--data", str(data))
        yield farm


def ask(farm: Farm, *events: str, **data: Any) -> int:
    reaction = {"action": "send-notification", "channel": "mail", "data": None}
    body = {"task_name": "noop", "task_data": data, "event_reactions": {event: [reaction] for event in events}}
    answer = farm.request("POST", "/api/1.0/work-request/", body)
    assert answer.status == 200, answer.body
    return int(answer.json()["id"])


def listed(farm: Farm, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(farm.admin("--json", "notification", "list", *options))
    return rows


def delivered(farm: Farm, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many notifications are delivered."""

    def all_delivered() -> list[dict[str, Any]] | None:
        rows = [row for row in listed(farm) if row["state"] == "delivered"]
        return rows if len(rows) == count else None

    return eventually(f"{count} notifications are delivered", all_delivered)


class TestALoggedInServer:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority.make(tmp_path)

    @pytest.fixture
    def more(self, tmp_path: Path, authority: Authority) -> str:
        password = tmp_path / "password"
        password.write_text(PASSWORD + "\n")
        return f'ca_file = "{authority.ca_file}"\nusername = "{USERNAME}"\npassword_file = "{password}"'

    def test_a_failing_task_sends_one_message(
        self, worker_sources: None, farm: Farm, port: int, authority: Authority
    ) -> None:
        mailbox = Mailbox()
        guarded: dict[str, Any] = {"require_starttls": True, "auth_required": True, "authenticator": authenticate}
        with mail_server(mailbox, port=port, tls_context=authority.server, **guarded):
            farm.start_worker(farm.make_worker("builder"))
            number = ask(farm, "on_success", "on_failure", result=False)
            farm.wait_for(number, "completed")
            delivered(farm)

        (mail,) = mailbox.mails
        assert (mail.login, mail.encrypted, mail.recipients) == (USERNAME, True, ("alice@example.org",))
        assert mail.message["Subject"] == f"no. {number}: failure"
        text = mail.message.get_content()
        assert text.startswith("Sent by debusine")
        assert f"https://farm.example.org/debusine/System/work-request/{number}/" in text
        assert farm.server is not None
        assert PASSWORD not in farm.server.said()


def test_mail_comes_when_the_mail_server_is_back(farm: Farm, port: int) -> None:
    numbers = {ask(farm, "on_creation") for _ in range(3)}
    eventually("every one was tried", lambda: all(row["error"] for row in listed(farm)))
    mailbox = Mailbox()
    with mail_server(mailbox, port=port):
        rows = delivered(farm, 3)

    assert {row["work_request"] for row in rows} == numbers
    assert sorted(mail.message["Subject"] for mail in mailbox.mails) == [f"no. {number}:" for number in sorted(numbers)]


def test_a_server_that_dies_while_it_sends_is_replaced_by_the_next(farm: Farm, port: int) -> None:
    called = threading.Event()

    async def swallow(*_: object) -> None:
        called.set()
        await asyncio.sleep(3600)

    with bad_server(swallow, port=port):
        ask(farm, "on_creation")
        assert called.wait(30)
        farm.kill_server()
    mailbox = Mailbox()
    with mail_server(mailbox, port=port):
        farm.start_server()
        (row,) = delivered(farm)

    assert len(mailbox.mails) == 1
    assert row["tries"] == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the sender's own tests see both
def test_a_mail_server_that_hangs_delays_neither_requests_nor_the_end_of_the_server(farm: Farm, port: int) -> None:
    called = threading.Event()

    async def swallow(*_: object) -> None:
        called.set()
        await asyncio.sleep(3600)

    with bad_server(swallow, port=port):
        numbers = [ask(farm, "on_creation") for _ in range(20)]
        assert called.wait(30)
        assert [row["state"] for row in listed(farm)] == ["waiting"] * len(numbers)
        assert farm.server is not None
        assert farm.server.stop() < SOON
        assert farm.server.process.returncode == 0
