"""Messages: a fixed set of headers, in which no text of users can make another one."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from debusine.plugin import Notification, PermanentFailure, check_address

#: In their order; Cc only when somebody gets one.
HEADERS = (
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
)

#: Characters of a subject.
LONGEST_SUBJECT = 300

#: Unicode categories of characters that a subject may have: letters, marks, numbers, punctuation, symbols.
ALLOWED = frozenset("LMNPS")


class UnsafeMessage(PermanentFailure):
    """A message would say something else than it should; nothing of it is sent."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The message could not be written safely: {what}")


def message_bytes(notification: Notification, data: Mapping[str, Any]) -> bytes:
    """The message as it is sent, the same at every try; ``UnsafeMessage`` when it would have other headers."""
    wanted = _wanted(notification, data)
    message = EmailMessage(policy=SMTP)
    for name, value in wanted.items():
        message[name] = value
    message.set_content(plain_body(notification.body), cte="quoted-printable")
    written = message.as_bytes()
    _check(written, wanted)
    return written


def plain_subject(text: str) -> str:
    """A text fit for a header: one line, no invisible or turning characters, nothing that begins an encoded word."""
    kept = "".join(each if unicodedata.category(each)[0] in ALLOWED else " " for each in text)
    line = " ".join(kept.replace("=?", "= ?").split())
    return line[:LONGEST_SUBJECT].strip() or "(no subject)"


def plain_body(text: str) -> str:
    """A text fit for a body: lines of characters that can be seen."""
    lines = ("".join(each if each.isprintable() else " " for each in line).rstrip() for line in text.split("\n"))
    return "\n".join(lines)


def _wanted(notification: Notification, data: Mapping[str, Any]) -> dict[str, str]:
    sender = check_address(data["from"])
    domain = sender.rpartition("@")[2]
    addresses = {"From": sender, "To": _joined(data["to"]), "Cc": _joined(data.get("cc", ()))}
    return {
        **{name: value for name, value in addresses.items() if value},
        "Subject": plain_subject(notification.subject),
        "Date": format_datetime(notification.created_at),
        "Message-ID": f"<{notification.message_id}@{domain}>",
        # RFC 3834: no out-of-office answers, please.
        "Auto-Submitted": "auto-generated",
    }


def _joined(addresses: Sequence[str]) -> str:
    return ", ".join(check_address(address) for address in addresses)


def _check(written: bytes, wanted: Mapping[str, str]) -> None:
    """Read what was written as a mail program would: Python's own writer has made headers of encoded words."""
    head = written.partition(b"\r\n\r\n")[0]
    lines = head.split(b"\r\n")
    if any(re.search(rb"[\r\n\0]|[^\t\x20-\x7e]", line) for line in lines):
        raise UnsafeMessage("a header has a character that headers cannot have")
    names = [line.partition(b":")[0].decode() for line in lines if line[:1] not in {b" ", b"\t"}]
    expected = [name for name in HEADERS if name in wanted or name in HEADERS[-3:]]
    if sorted(names) != sorted(expected):
        raise UnsafeMessage(f"it has the headers {', '.join(names)}")
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", head).decode()
    for line in unfolded.split("\r\n"):
        name, _, value = line.partition(": ")
        if name in {"From", "To", "Cc", "Message-ID"} and re.sub(r"\s+", "", value) != re.sub(r"\s+", "", wanted[name]):
            raise UnsafeMessage(f"its {name} is not what it should be")
