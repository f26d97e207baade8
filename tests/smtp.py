"""Real SMTP servers for tests: good ones, which keep what they get, and bad ones."""

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from attrs import Factory, define, frozen

USERNAME, PASSWORD = "debusine", "correct horse battery staple"


@frozen
class Mail:
    """What a server was handed."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    #: Whether it came over TLS, and by whom.
    encrypted: bool
    login: str | None

    @property
    def message(self) -> EmailMessage:
        """As a mail program reads it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@define
class Mailbox:
    """Decides as a test wants, and keeps what is accepted."""

    mails: list[Mail] = Factory(list)
    #: Recipient, or "MAIL", or "DATA" → answer other than 250.
    answers: dict[str, str] = Factory(dict)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if "DATA" in self.answers:
            return self.answers["DATA"]
        content = cast(bytes, envelope.original_content)
        transport: Any = server.transport
        encrypted = transport.get_extra_info("ssl_object") is not None
        known: Any = session.auth_data
        login = known.decode() if isinstance(known, bytes) else None
        recipients = tuple(str(each) for each in envelope.rcpt_tos)
        self.mails.append(Mail(str(envelope.mail_from), recipients, content, encrypted, login))
        return "250 Queued"


def authenticate(_server: object, _session: object, _envelope: object, mechanism: str, data: LoginPassword) -> Any:
    """Let one user in."""
    if mechanism in {"LOGIN", "PLAIN"} and (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode()):
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)  # handled=True would leave the client without an answer


@frozen
class Authority:
    """Certificates, and the file that vouches for them."""

    server: ssl.SSLContext
    ca_file: Path

    @classmethod
    def make(cls, directory: Path, name: str = "127.0.0.1") -> "Authority":
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        path = directory / f"ca-{name}.pem"
        authority.cert_pem.write_to_path(path)
        return cls(context, path)


@contextmanager
def mail_server(mailbox: Mailbox, *, port: int = 0, ssl: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """A server that hands what it gets to the mailbox; yields its port. The options are aiosmtpd's."""
    with listening(lambda: SMTP(mailbox, hostname="mail.example.org", **options), port=port, ssl=ssl) as bound:
        yield bound


@contextmanager
def bad_server(
    script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], *, port: int = 0
) -> Iterator[int]:
    """A server that does with each connection what the script says; yields its port."""

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError, ConnectionError):
            await script(reader, writer)

    def protocol() -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), quietly)

    with listening(protocol, port=port) as bound:
        yield bound


@contextmanager
def listening(
    protocol: Callable[[], asyncio.BaseProtocol], *, port: int = 0, ssl: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A server in a thread of its own, so that a test may block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mail server", daemon=True)
    thread.start()

    transports: list[asyncio.Transport] = []

    def noted() -> asyncio.BaseProtocol:
        made = protocol()
        connection_made = made.connection_made

        def note(transport: Any) -> None:
            transports.append(transport)
            connection_made(transport)

        made.connection_made = note  # type: ignore[method-assign]
        return made

    async def start() -> asyncio.Server:
        return await loop.create_server(noted, "127.0.0.1", port, ssl=ssl)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        for transport in transports:
            with suppress(
                AttributeError
            ):  # Python 3.11.2: one over TLS that was closed twice has forgotten what to abort
                transport.abort()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def options_of(port: int, **more: Any) -> Mapping[str, Any]:
    """The settings of a method that uses a server without TLS."""
    return {"server": "127.0.0.1", "port": port, "tls": "none", **more}
