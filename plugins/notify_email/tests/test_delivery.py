"""Mail to real SMTP servers, good and bad."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debusine_notify_email.method import Email
from debusine_notify_email.options import EmailOptions

from debusine.plugin import (
    Notification,
    NotificationChannel,
    PermanentFailure,
    ReactionEvent,
    Receipt,
    Result,
    Secret,
    TemporaryFailure,
    now,
)
from tests.smtp import PASSWORD, USERNAME, Authority, Mailbox, authenticate, bad_server, mail_server

DATA = {"from": "farm@example.org", "to": ["alice@example.org", "bob@example.org"], "cc": ["carol@example.org"]}


def notification(**values: Any) -> Notification:
    defaults: dict[str, Any] = {
        "message_id": "debusine-5-on_failure-0123456789abcdef",
        "event": ReactionEvent.ON_FAILURE,
        "work_request": 5,
        "result": Result.FAILURE,
        "subject": "WorkRequest 5 completed in failure",
        "body": "Sent by debusine\n.\nFrom here\n",
        "recipients": tuple(Email.recipients(DATA)),
        "created_at": now(),
    }
    return Notification(**defaults | values)


def options(port: int, **values: Any) -> EmailOptions:
    return EmailOptions(**{"server": "127.0.0.1", "port": port, "tls": "none", "timeout": 20.0, **values})


async def deliver(port: int, told: Notification | None = None, **values: Any) -> Receipt:
    channel = NotificationChannel(id=1, name="mail", method="email", data=DATA)
    return await Email(options(port, **values)).send(channel, told or notification())


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for 127.0.0.1."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    """Of a server without TLS."""
    with mail_server(mailbox) as port:
        yield port


async def test_a_message_arrives_as_it_was_written(port: int, mailbox: Mailbox) -> None:
    told = notification()

    assert await deliver(port, told) == Receipt()

    (mail,) = mailbox.mails
    assert mail.sender == "farm@example.org"
    assert mail.recipients == ("alice@example.org", "bob@example.org", "carol@example.org")
    message = mail.message
    assert (message["From"], message["To"], message["Cc"]) == (
        "farm@example.org",
        "alice@example.org, bob@example.org",
        "carol@example.org",
    )
    assert message["Subject"] == "WorkRequest 5 completed in failure"
    assert message["Message-ID"] == "<debusine-5-on_failure-0123456789abcdef@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == told.created_at.replace(microsecond=0)
    assert message.get_content().replace("\r\n", "\n") == "Sent by debusine\n.\nFrom here\n"


async def test_the_same_notification_makes_the_same_bytes(port: int, mailbox: Mailbox) -> None:
    told = notification()

    await deliver(port, told)
    await deliver(port, told)

    assert mailbox.mails[0].raw == mailbox.mails[1].raw


async def test_only_those_who_wait_are_in_the_envelope_and_all_are_in_the_headers(port: int, mailbox: Mailbox) -> None:
    await deliver(port, notification(recipients=("bob@example.org",)))

    (mail,) = mailbox.mails
    assert mail.recipients == ("bob@example.org",)
    assert mail.message["To"] == "alice@example.org, bob@example.org"


async def test_bounces_go_where_the_settings_say(port: int, mailbox: Mailbox) -> None:
    await deliver(port, bounces="postmaster@example.org")

    assert mailbox.mails[0].sender == "postmaster@example.org"
    assert mailbox.mails[0].message["From"] == "farm@example.org"


class TestEncryption:
    async def test_starttls_encrypts_and_the_certificate_is_checked(
        self, mailbox: Mailbox, authority: Authority
    ) -> None:
        with mail_server(mailbox, require_starttls=True, tls_context=authority.server) as port:
            await deliver(port, tls="starttls", ca_file=authority.ca_file)

        assert mailbox.mails[0].encrypted

    async def test_nothing_is_sent_where_starttls_is_wanted_and_not_offered(self, port: int, mailbox: Mailbox) -> None:
        with pytest.raises(TemporaryFailure, match="STARTTLS"):
            await deliver(port, tls="starttls")

        assert mailbox.mails == []

    async def test_nothing_is_sent_in_clear_text_where_the_server_wants_starttls(
        self, mailbox: Mailbox, authority: Authority
    ) -> None:
        with (
            mail_server(mailbox, require_starttls=True, tls_context=authority.server) as port,
            pytest.raises(PermanentFailure, match="530"),
        ):
            await deliver(port, tls="none")

    async def test_tls_from_the_first_byte(self, mailbox: Mailbox, authority: Authority) -> None:
        with mail_server(mailbox, ssl=authority.server) as port:
            await deliver(port, tls="tls", ca_file=authority.ca_file)

        assert mailbox.mails[0].encrypted

    @pytest.mark.parametrize("tls", ["tls", "starttls"])
    async def test_a_certificate_that_nobody_vouches_for_is_refused(
        self, mailbox: Mailbox, authority: Authority, tls: str
    ) -> None:
        kind = {"ssl": authority.server} if tls == "tls" else {"tls_context": authority.server}
        with (
            mail_server(mailbox, **kind) as port,  # type: ignore[arg-type]
            pytest.raises(TemporaryFailure, match="certificate is not good"),
        ):
            await deliver(port, tls=tls)

        assert mailbox.mails == []

    async def test_a_certificate_of_another_server_is_refused(self, mailbox: Mailbox, tmp_path: Path) -> None:
        other = Authority.make(tmp_path, "mail.example.net")
        with (
            mail_server(mailbox, ssl=other.server) as port,
            pytest.raises(TemporaryFailure, match="certificate is not good"),
        ):
            await deliver(port, tls="tls", ca_file=other.ca_file)

    async def test_a_server_that_forgets_to_encrypt_after_starttls_gets_no_password(self) -> None:
        heard: list[bytes] = []

        async def downgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.org ESMTP\r\n")
            while line := await reader.readline():
                heard.append(line)
                if line.upper().startswith(b"EHLO"):
                    writer.write(b"250-mail.example.org\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n")
                else:
                    writer.write(b"454 TLS not available\r\n" if b"STARTTLS" in line.upper() else b"250 OK\r\n")

        with bad_server(downgrade) as port, pytest.raises(TemporaryFailure, match="TLS"):
            await deliver(port, tls="starttls", username=USERNAME, password=Secret(PASSWORD))

        assert not any(b"AUTH" in line or b"MAIL" in line for line in heard)


class TestLogin:
    @pytest.fixture
    def protected(self, mailbox: Mailbox, authority: Authority) -> Iterator[int]:
        """A server that demands a login over STARTTLS."""
        with mail_server(
            mailbox,
            require_starttls=True,
            tls_context=authority.server,
            auth_required=True,
            authenticator=authenticate,
        ) as port:
            yield port

    async def test_the_right_password_is_let_in(self, protected: int, mailbox: Mailbox, authority: Authority) -> None:
        await deliver(
            protected, tls="starttls", ca_file=authority.ca_file, username=USERNAME, password=Secret(PASSWORD)
        )

        assert mailbox.mails[0].login == USERNAME

    async def test_a_wrong_password_is_the_operators_to_mend_and_is_never_told(
        self, protected: int, authority: Authority
    ) -> None:
        with pytest.raises(TemporaryFailure, match="the login was refused: 535") as caught:
            await deliver(
                protected, tls="starttls", ca_file=authority.ca_file, username=USERNAME, password=Secret("hunter2")
            )

        assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"

    async def test_a_login_that_the_server_does_not_know(self, mailbox: Mailbox, authority: Authority) -> None:
        with (
            mail_server(mailbox, ssl=authority.server) as port,
            pytest.raises(TemporaryFailure, match="AUTH"),
        ):
            await deliver(port, tls="tls", ca_file=authority.ca_file, username=USERNAME, password=Secret(PASSWORD))


class TestAnswers:
    async def test_each_recipient_is_accounted_for(self, port: int, mailbox: Mailbox) -> None:
        mailbox.answers = {"alice@example.org": "550 No such user", "carol@example.org": "451 Greylisted"}

        receipt = await deliver(port)

        assert receipt.refused == {"alice@example.org": "550 No such user"}
        assert receipt.deferred == {"carol@example.org": "451 Greylisted"}
        assert mailbox.mails[0].recipients == ("bob@example.org",)

    async def test_a_message_that_nobody_takes_is_not_sent(self, port: int, mailbox: Mailbox) -> None:
        mailbox.answers = dict.fromkeys(Email.recipients(DATA), "550 No such user")

        receipt = await deliver(port)

        assert set(receipt.refused) == set(Email.recipients(DATA))
        assert mailbox.mails == []

    @pytest.mark.parametrize("where", ["MAIL", "DATA"])
    async def test_a_refused_message_is_refused_for_good(self, port: int, mailbox: Mailbox, where: str) -> None:
        mailbox.answers = {where: "554 Looks like spam"}

        with pytest.raises(PermanentFailure, match="554 Looks like spam"):
            await deliver(port)

    @pytest.mark.parametrize("where", ["MAIL", "DATA"])
    async def test_a_server_in_need_is_asked_again(self, port: int, mailbox: Mailbox, where: str) -> None:
        mailbox.answers = {where: "452 Out of space"}

        with pytest.raises(TemporaryFailure, match="452 Out of space"):
            await deliver(port)


class TestBadServers:
    async def test_nobody_listens(self) -> None:
        with bad_server(silent) as port:
            pass
        with pytest.raises(TemporaryFailure, match="Connection refused"):
            await deliver(port)

    async def test_a_name_that_nobody_has(self) -> None:
        with pytest.raises(TemporaryFailure, match="cannot be used"):
            await deliver(25, server="mail.invalid")

    async def test_a_greeting_that_is_none(self) -> None:
        async def chatter(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n<html>\xff\xfe\0" + b"x" * 20_000 + b"\r\n")
            await writer.drain()
            writer.close()

        with bad_server(chatter) as port, pytest.raises(TemporaryFailure):
            await deliver(port)

    async def test_a_server_that_wants_nobody(self) -> None:
        async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"554 No SMTP service here\r\n")
            await writer.drain()
            writer.close()

        with bad_server(close) as port, pytest.raises(TemporaryFailure, match="554 No SMTP service here"):
            await deliver(port)

    @pytest.mark.parametrize("word", [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"."])
    async def test_a_connection_that_breaks(self, word: bytes) -> None:
        async def break_at(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answer_until(word, reader, writer)
            writer.close()

        with bad_server(break_at) as port, pytest.raises(TemporaryFailure):
            await deliver(port)

    async def test_a_server_that_says_good_bye_among_the_recipients(self) -> None:
        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answer_until(b"RCPT", reader, writer)
            writer.write(b"421 Shutting down\r\n")
            await writer.drain()
            writer.close()

        with bad_server(leave) as port, pytest.raises(TemporaryFailure, match="421 Shutting down"):
            await deliver(port)

    async def test_a_server_that_is_silent_costs_its_time_and_no_more(self) -> None:
        with bad_server(silent) as port, pytest.raises(TemporaryFailure, match="does not answer in time"):
            await deliver(port, timeout=0.2)

    @pytest.mark.parametrize("tls", ["none", "tls"])
    @pytest.mark.parametrize("word", [None, b"DATA"])
    async def test_a_cancelled_call_ends_at_once_and_leaves_no_thread_waiting(
        self, tls: str, word: bytes | None
    ) -> None:
        arrived = threading.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if word is not None and tls == "none":
                await answer_until(word, reader, writer)
            arrived.set()
            await asyncio.sleep(3600)

        with bad_server(stall) as port:
            call = asyncio.create_task(deliver(port, tls=tls, timeout=3600))
            await asyncio.to_thread(arrived.wait)
            call.cancel()
            async with asyncio.timeout(20):  # in_thread waits for the thread's end
                await asyncio.wait([call])

        assert call.cancelled()


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def answer_until(word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a good server until the client says a word."""
    writer.write(b"220 mail.example.org ESMTP\r\n")
    in_message = False
    while line := await reader.readline():
        if line.upper().startswith(word) and (word != b"." or in_message):
            return
        if in_message:
            continue
        in_message = line.upper().startswith(b"DATA")
        writer.write(b"354 Go on\r\n" if in_message else b"250 OK\r\n")
