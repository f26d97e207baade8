"""Messages say what they should, whatever submitters wrote."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from debusine_notify_email import messages
from debusine_notify_email.messages import HEADERS, UnsafeMessage, message_bytes, plain_subject
from hypothesis import example, given
from hypothesis import strategies as st

from debusine.plugin import InvalidAddress, Notification, ReactionEvent, Result, now

DATA = {"from": "farm@example.org", "to": ["alice@example.org"]}

#: What has broken header writers: Python's own wrote a header of the first one.
NASTY = [
    "=?utf-8?q?a=0ABcc=3A_evil=40x?=",
    "=?utf-8?b?YQpCY2M6IGV2aWxAeA==?=",
    "a\r\nBcc: evil@x",
    "a\nBcc: evil@x",
    "a\rBcc: evil@x",
    "a\x85Bcc: evil@x",
    "a\u2028Bcc: evil@x",
    "=\u200b?utf-8?q?a=0ABcc=3A_evil?=",
    "==??utf-8?q?=0A?=",
    "x" * 2000,
    "ä" * 500,
    "a: b: c",
    "\ud800",
]

texts = (
    st.text(max_size=300)
    | st.sampled_from(NASTY)
    | st.text("=?_-:;,<>@\r\n\t \"'utf8qQbB0A\x85\u2028é漢", max_size=200)
)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.builds(
    "{}@{}.{}".format,
    st.from_regex(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]{1,30}(\.[A-Za-z0-9+-]{1,30})?", fullmatch=True),
    labels,
    labels,
)


def written(subject: str = "subject", body: str = "body\n", **data: Any) -> bytes:
    told = Notification(
        message_id="debusine-5-on_failure-0123456789abcdef",
        event=ReactionEvent.ON_FAILURE,
        work_request=5,
        result=Result.FAILURE,
        subject=subject,
        body=body,
        recipients=("alice@example.org",),
        created_at=now(),
    )
    return message_bytes(told, {**DATA, **data})


def headers(raw: bytes) -> list[str]:
    """The names of the headers, as a mail program sees them."""
    return list(email.message_from_bytes(raw, policy=email.policy.default).keys())


@given(texts, texts)
@example(NASTY[0], NASTY[0])
def test_no_text_makes_a_header(subject: str, body: str) -> None:
    raw = written(subject, body)

    assert sorted(headers(raw)) == sorted(name for name in HEADERS if name != "Cc")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert parsed["To"] == "alice@example.org"
    assert "\n" not in parsed["Subject"]
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


@given(st.sampled_from(NASTY) | texts)
def test_a_subject_is_shown_as_it_was_made_plain(subject: str) -> None:
    parsed = email.message_from_bytes(written(subject), policy=email.policy.default)

    assert "".join(str(parsed["Subject"]).split()) == "".join(plain_subject(subject).split())


@given(st.lists(addresses, min_size=1, max_size=8), st.lists(addresses, max_size=3))
def test_addresses_are_what_the_channel_says(to: list[str], cc: list[str]) -> None:
    parsed = email.message_from_bytes(written(to=to, cc=cc), policy=email.policy.default)

    assert [address.addr_spec for address in parsed["To"].addresses] == to
    assert [address.addr_spec for address in parsed["Cc"].addresses] == cc if cc else parsed["Cc"] is None


@given(texts)
def test_the_body_is_read_as_it_was_made_plain(body: str) -> None:
    parsed = email.message_from_bytes(written(body=body), policy=email.policy.default)

    assert parsed.get_content().replace("\r\n", "\n").rstrip("\n") == messages.plain_body(body).rstrip("\n")


@pytest.mark.parametrize(
    "address", ["a@b\r\nBcc: x@y", "Alice <a@b>", "a@b, c@d", '"a b"@c', "a@b (comment)", "=?x?@b"]
)
def test_an_address_that_hides_something_is_refused(address: str) -> None:
    for data in ({"from": address}, {"to": [address]}, {"cc": [address]}):
        with pytest.raises(InvalidAddress):
            written(**data)


def test_a_message_with_another_header_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of defence: some Pythons' writers make a header of an encoded word that got through."""
    monkeypatch.setattr(messages, "plain_subject", lambda text: text)

    try:
        raw = written("=?utf-8?q?a=0ABcc=3A_evil=40x?=")
    except UnsafeMessage:
        return
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert sorted(parsed.keys()) == sorted(email.message_from_bytes(written("harmless")).keys())


@pytest.mark.parametrize(
    ("line", "said"),
    [(b"Bcc: evil@x", "Bcc"), (b"To: evil@x", "To"), (b"X\nBcc: evil@x", "character"), (b"X: \xff", "character")],
)
def test_what_was_written_is_read_again_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, line: bytes, said: str
) -> None:
    original = EmailMessage.as_bytes
    monkeypatch.setattr(EmailMessage, "as_bytes", lambda self: line + b"\r\n" + original(self))

    with pytest.raises(UnsafeMessage, match=said):
        written()


def test_an_address_that_was_changed_on_the_way_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = EmailMessage.as_bytes
    monkeypatch.setattr(EmailMessage, "as_bytes", lambda self: original(self).replace(b"alice@", b"mallory@"))

    with pytest.raises(UnsafeMessage, match="To"):
        written()
