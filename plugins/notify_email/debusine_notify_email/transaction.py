"""One message to an SMTP server, and what became of it for each recipient."""

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress

from attrs import Factory, define

from debusine.plugin import PermanentFailure, Receipt, TemporaryFailure
from debusine_notify_email.connection import Connection, Scissors
from debusine_notify_email.options import EmailOptions

#: The server says good-bye, also in the middle of something.
CLOSING = 421


@define
class _Answers:
    """What the server said to each recipient."""

    accepted: list[str] = Factory(list)
    refused: dict[str, str] = Factory(dict)
    deferred: dict[str, str] = Factory(dict)

    def note(self, recipient: str, code: int, answer: bytes) -> None:
        if code in {250, 251}:
            self.accepted.append(recipient)
        elif 500 <= code < 600:
            self.refused[recipient] = told(code, answer)
        else:
            self.deferred[recipient] = told(code, answer)


def send(options: EmailOptions, sender: str, recipients: Sequence[str], message: bytes, scissors: Scissors) -> Receipt:
    """Hand a message to the server (blocking).

    What goes wrong before the message is offered is the server's or the operator's to mend, and so temporary whatever
    its code. From then on 4xx is temporary and 5xx is not.
    """
    try:
        with _connected(options, scissors) as connection:
            return _offer(connection, sender, recipients, message)
    finally:
        scissors.release()


class _connected:  # noqa: N801 - reads as a function
    """A connection that is ready, and closed in any case."""

    def __init__(self, options: EmailOptions, scissors: Scissors) -> None:
        self.options = options
        self.scissors = scissors

    def __enter__(self) -> Connection:
        host, port = self.options.address
        try:
            self.connection = Connection(self.options, self.scissors)
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise TemporaryFailure(f"{host}:{port} cannot be used: {reason(error)}") from error
        try:
            self.connection.prepare()
        except (OSError, smtplib.SMTPException, UnicodeError, ValueError) as error:
            self.connection.close()
            raise TemporaryFailure(f"{host}:{port} cannot be used: {reason(error)}") from error
        return self.connection

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, smtplib.SMTPException):
            self.connection.quit()
        self.connection.close()


def _offer(connection: Connection, sender: str, recipients: Sequence[str], message: bytes) -> Receipt:
    try:
        _demand(*connection.mail(sender), f"the sender {sender} was refused")
        answers = _Answers()
        for recipient in recipients:
            code, answer = connection.rcpt(recipient)
            answers.note(recipient, code, answer)
            if code == CLOSING:
                raise TemporaryFailure(told(code, answer))
        if answers.accepted:
            _demand(*connection.data(message), "the message was refused")
    except smtplib.SMTPDataError as error:
        _demand(error.smtp_code, _bytes(error.smtp_error), "the message was refused")
        raise TemporaryFailure(reason(error)) from error
    except (OSError, smtplib.SMTPException) as error:
        raise TemporaryFailure(f"the connection broke: {reason(error)}") from error
    return Receipt(refused=answers.refused, deferred=answers.deferred)


def _demand(code: int, answer: bytes, what: str) -> None:
    if 500 <= code < 600:
        raise PermanentFailure(f"{what}: {told(code, answer)}")
    if not 200 <= code < 300:
        raise TemporaryFailure(f"{what}: {told(code, answer)}")


def told(code: int, answer: bytes | str) -> str:
    """An answer of the server in one line."""
    return f"{code} {' '.join(_bytes(answer).decode('ascii', 'replace').split())}"


def reason(error: Exception) -> str:
    """An error of the connection in one line, without what we sent."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the login was refused: {told(error.smtp_code, error.smtp_error)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return told(error.smtp_code, error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps it
        return "it does not answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _bytes(answer: bytes | str) -> bytes:
    return answer if isinstance(answer, bytes) else answer.encode("ascii", "replace")
