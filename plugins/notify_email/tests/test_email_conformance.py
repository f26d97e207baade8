"""The method ``email`` passes the suite that every notification method must pass."""

from collections.abc import Iterator
from typing import Any

import pytest
from debusine_notify_email.method import Email
from debusine_notify_email.options import EmailOptions

from debusine.plugin import Notification, NotificationMethod
from debusine.testing import NotificationMethodConformance
from tests.smtp import Mailbox, bad_server, mail_server


class TestEmail(NotificationMethodConformance):
    @pytest.fixture
    def mailbox(self) -> Mailbox:
        return Mailbox()

    @pytest.fixture
    def method(self, mailbox: Mailbox) -> Iterator[Email]:
        with mail_server(mailbox) as port:
            email = Email(EmailOptions(server="127.0.0.1", port=port, tls="none"))
            email.mailbox = mailbox  # type: ignore[attr-defined]
            yield email

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"from": "farm@example.org", "to": ["alice@example.org", "bob@example.org"], "cc": ["carol@example.org"]}

    @pytest.fixture
    def unreachable(self) -> Email:
        async def nobody(*_: object) -> None:
            return

        with bad_server(nobody) as port:
            return Email(EmailOptions(server="127.0.0.1", port=port, tls="none"))

    async def arrived(self, method: NotificationMethod[Any], notification: Notification) -> bool:
        mails = method.mailbox.mails  # type: ignore[attr-defined]
        return [mail.message["Message-ID"] for mail in mails] == [f"<{notification.message_id}@example.org>"]
