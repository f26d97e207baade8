"""The suite that says whether a notification method conforms."""

import asyncio
import copy
import gc
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from debusine.converter.schemas import Schema
from debusine.plugin import (
    Invalid,
    InvalidFields,
    Notification,
    NotificationChannel,
    NotificationMethod,
    PermanentFailure,
    ReactionEvent,
    Receipt,
    Result,
    TemporaryFailure,
    in_thread,
    now,
)
from debusine.plugin.kinds import NOTIFICATION_METHOD
from debusine.testing.blocking import blocking_calls
from debusine.testing.requirements import require

Method = NotificationMethod[Any]

#: Calls that wait for a disk, a name server, another program or another machine.
BLOCKING = {
    "ftplib.connect",
    "http.client.connect",
    "open",
    "os.system",
    "smtplib.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "subprocess.Popen",
    "telnetlib.Telnet.open",
    "urllib.Request",
}

#: What submitters may write into a subject, and what a template may become.
SUBJECTS = (
    "",
    "x" * 5000,
    "two\r\nBcc: mallory@example.org",
    "=?utf-8?q?a=0ABcc=3A_mallory=40example=2Eorg?=",
    "\x00\x1b[31m\u202e\u2028\u200b",
    "naïve 漢字 🦆 e\u0301",
    "<script>alert(1)</script> & %s {0} $x `id`",
)
#: And into a body.
BODIES = (
    "",
    "Sent by debusine",
    ".\r\n.\r\nQUIT\r\n",
    "\r\n\r\n--\r\n",
    "line\n" * 5000,
    "x" * 100_000 + "\n",
    "漢字\n",
)


class NotificationMethodConformance:
    """Says whether a notification method conforms: inherit it and define the fixtures ``method`` and ``data``.

    .. code-block:: python

        class TestPigeon(NotificationMethodConformance):
            @pytest.fixture
            def method(self, loft):
                return Pigeon(PigeonOptions(loft=loft))

            @pytest.fixture
            def data(self):
                return {"to": ["alice"]}

    The method's other side should be a real one, started for the test. Override ``unreachable`` and ``arrived``, too,
    and the suite sees more.
    """

    pytestmark = pytest.mark.asyncio

    #: Seconds within which a call that is cancelled ends, and what it held is let go of.
    patience = 5.0

    @pytest.fixture
    def method(self) -> Method:
        """The method to be tested, connected to its other side; the class that inherits this suite overrides it."""
        message = "Define a fixture `method` in your test class that returns your method, ready to send"
        raise NotImplementedError(message)

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        """Data of a channel, as an operator writes it; the class that inherits this suite overrides it."""
        message = "Define a fixture `data` in your test class that returns valid data of a channel"
        raise NotImplementedError(message)

    @pytest.fixture
    def unreachable(self) -> Method:
        """A method whose other side does not answer; override it where that can be had."""
        pytest.skip("override `unreachable` to show what happens when the other side is away")

    async def arrived(self, method: Method, notification: Notification) -> bool:
        """Whether a notification has come through to the other side; override it where that can be seen."""
        pytest.skip("override `arrived` to show that notifications come through")

    async def test_the_class_can_be_offered_by_a_hook(self, method: Method) -> None:
        """Its ``name``, its ``Options`` and its ``data_schema`` are what the manager demands."""
        reason = NOTIFICATION_METHOD.reason_against(type(method))
        require(reason is None, f"{type(method).__name__} cannot be offered by a hook: {reason}")
        require(
            isinstance(method.options, type(method).Options),
            f"method.options must be an object of {type(method).__name__}.Options; call super().__init__(options)",
        )

    async def test_the_schema_takes_the_data_and_no_unknown_key(self, method: Method, data: dict[str, Any]) -> None:
        """A typo is told to the operator when he makes the channel, not in the night."""
        schema = schema_of(method)
        require(fits(schema, data), f"the data_schema must take the data of the test's channel: {data}")
        strange = {**data, "surely-no-such-key": 1}
        require(not fits(schema, strange), 'the data_schema must refuse unknown keys: "additionalProperties": False')

    async def test_the_schema_speaks_of_an_object(self, method: Method) -> None:
        """Whatever JSON an operator gives, he learns what is wrong with it."""
        schema = schema_of(method)
        wrongs: tuple[Any, ...] = ([], "text", 1, None, True)
        for wrong in wrongs:
            require(not fits(schema, wrong), f'the data_schema must refuse {wrong!r}: "type": "object"')

    async def test_recipients_are_found_and_are_the_same_each_time(self, method: Method, data: dict[str, Any]) -> None:
        """Each is accounted for by itself, over all tries."""
        first, second = list(type(method).recipients(data)), list(type(method).recipients(copy.deepcopy(data)))
        require(first == second, f"recipients() must be the same each time: {first} and {second}")
        require(all(isinstance(each, str) for each in first), f"recipients() must be strings, not {first}")
        require(len(set(first)) == len(first), f"recipients() must not name anybody twice: {first}")

    async def test_a_notification_is_sent_to_everybody(self, method: Method, data: dict[str, Any]) -> None:
        """The receipt of the ordinary case is empty."""
        receipt = await require_sent(method, data, notification(method, data))
        failures = {**receipt.refused, **receipt.deferred}
        require(failures == {}, f"send() must reach every recipient of the test's channel, and did not: {failures}")

    async def test_a_notification_comes_through(self, method: Method, data: dict[str, Any]) -> None:
        """Once ``send`` returns, it is there."""
        told = notification(method, data)
        await require_sent(method, data, told)
        require(await self.arrived(method, told), "what send() returned for must have arrived at the other side")

    async def test_a_repeated_notification_is_sent_again(self, method: Method, data: dict[str, Any]) -> None:
        """A server that died after sending it sends it once more, with the same message id."""
        told = notification(method, data)
        await require_sent(method, data, told)
        await require_sent(method, data, told)

    async def test_only_those_who_wait_get_it(self, method: Method, data: dict[str, Any]) -> None:
        """Whoever has it already is left out of ``recipients``."""
        told = notification(method, data)
        if len(told.recipients) < 2:
            pytest.skip("the test's channel has no two recipients")
        receipt = await require_sent(method, data, evolve(told, recipients=told.recipients[:1]))
        strangers = {*receipt.refused, *receipt.deferred} - {told.recipients[0]}
        require(not strangers, f"the receipt must name recipients of the notification alone, not {strangers}")

    async def test_several_are_sent_at_the_same_time(self, method: Method, data: dict[str, Any]) -> None:
        """A farm ends many work requests at once."""
        several = [notification(method, data, number) for number in range(4)]
        await asyncio.gather(*(require_sent(method, data, told) for told in several))

    async def test_hostile_texts_are_sent_or_refused(self, method: Method, data: dict[str, Any]) -> None:
        """Subjects hold what submitters wrote; nothing but the method's two errors leaves it."""
        for number, subject in enumerate(SUBJECTS):
            await require_sent_or_refused(method, data, notification(method, data, number, subject=subject))
        for number, body in enumerate(BODIES):
            await require_sent_or_refused(method, data, notification(method, data, number, body=body))

    async def test_nothing_is_changed(self, method: Method, data: dict[str, Any]) -> None:
        """The channel's data serve for the next notification, too."""
        given = copy.deepcopy(data)
        await require_sent(method, given, notification(method, data))
        require(given == data, f"send() must not change channel.data: {data} became {given}")

    async def test_the_event_loop_is_never_blocked(
        self, method: Method, data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While one notification waits for its other side, the whole farm goes on."""
        await require_sent(
            method, data, notification(method, data)
        )  # once before, because the first use imports modules
        with blocking_calls(BLOCKING) as calls:
            watch_sleep(monkeypatch, calls)
            await require_sent(method, data, notification(method, data, 2))
            monkeypatch.undo()
        require(calls == [], f"these calls block the event loop, run them through in_thread: {'; '.join(calls)}")

    async def test_an_other_side_that_is_away_is_a_temporary_failure(
        self, unreachable: Method, data: dict[str, Any]
    ) -> None:
        """It is tried again later, and the operator reads the reason."""
        try:
            await require_sent(unreachable, data, notification(unreachable, data))
        except TemporaryFailure as error:
            require("\n" not in error.title and bool(error.title.strip()), f"the reason must be one line: {error!r}")
        except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
            pytest.fail(f"send() must raise TemporaryFailure when the other side is away, not {error!r}")
        else:
            pytest.fail("send() must raise TemporaryFailure when the other side is away, but succeeds")

    async def test_a_call_that_is_cancelled_ends_soon(self, method: Method, data: dict[str, Any]) -> None:
        """The server stops, or the call took too long."""
        for pause in (0.0, 0.001, 0.01):
            call = asyncio.create_task(require_sent(method, data, notification(method, data)))
            await asyncio.sleep(pause)
            call.cancel()
            _, hanging = await asyncio.wait({call}, timeout=self.patience)
            require(not hanging, f"a send() that is cancelled must end within {self.patience:g} seconds")
            if not call.cancelled() and (error := call.exception()) is not None:
                pytest.fail(f"a send() that is cancelled must let CancelledError pass, not raise {error!r}")

    async def test_file_descriptors_and_threads_do_not_leak(self, method: Method, data: dict[str, Any]) -> None:
        """A server runs for months."""
        await asyncio.gather(*(in_thread(time.sleep, 0.005) for _ in range(100)))  # the loop's own pool is no leak
        for number in range(3):
            await require_sent(method, data, notification(method, data, number))
        before = resources()
        for number in range(5):
            await require_sent(method, data, notification(method, data, number))

        def let_go() -> bool:
            after = resources()
            return after[0] <= before[0] and after[1] <= before[1]

        message = f"after five more notifications there are {{}} file descriptors and threads, before it was {before}"
        await require_soon(let_go, lambda: message.format(resources()), seconds=self.patience)

    async def test_it_can_be_closed_twice(self, method: Method, data: dict[str, Any]) -> None:
        """Whoever cleans up need not know whether somebody else did."""
        await require_sent(method, data, notification(method, data))
        await method.aclose()
        await method.aclose()


def notification(method: Method, data: dict[str, Any], number: int = 1, **texts: str) -> Notification:
    """A notification for all recipients of a channel."""
    return Notification(
        message_id=f"debusine-{number}-on_failure-0123456789abcdef",
        event=ReactionEvent.ON_FAILURE,
        work_request=number,
        result=Result.FAILURE,
        subject=texts.get("subject", f"WorkRequest {number} completed in failure"),
        body=texts.get("body", f"Sent by debusine\n\nWorkRequest {number} completed in failure\n"),
        recipients=tuple(type(method).recipients(data)),
        created_at=now(),
    )


async def require_sent(method: Method, data: dict[str, Any], told: Notification) -> Receipt:
    """Send as the farm does."""
    channel = NotificationChannel(id=1, name="test", method=type(method).name, data=data)
    receipt = await method.send(channel, told)
    require(isinstance(receipt, Receipt), f"send() must return a Receipt, not {receipt!r}")
    strangers = {*receipt.refused, *receipt.deferred} - set(told.recipients)
    require(not strangers, f"the receipt must name recipients of the notification alone, not {strangers}")
    return receipt


async def require_sent_or_refused(method: Method, data: dict[str, Any], told: Notification) -> None:
    """Fail when a notification's text breaks the method."""
    __tracebackhide__ = True
    try:
        await require_sent(method, data, told)
    except (TemporaryFailure, PermanentFailure):
        return
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
        texts = f"the subject {told.subject[:100]!r} and the body {told.body[:100]!r}"
        pytest.fail(f"send() must send {texts} or raise one of its two errors, not {error!r}")


def schema_of(method: Method) -> Schema:
    """The method's schema, or a failure that says what is wrong with it."""
    try:
        return Schema(type(method).data_schema, what="data_schema")
    except Invalid as error:
        pytest.fail(str(error))


def fits(schema: Schema, data: Any) -> bool:
    """Whether a channel could have this data."""
    try:
        schema.check(data, title="data")
    except InvalidFields:
        return False
    return True


def watch_sleep(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    """Collect this thread's sleeps, which no audit hook sees on every Python."""
    thread, sleep = threading.get_ident(), time.sleep

    def watched(seconds: float) -> None:
        if threading.get_ident() == thread:
            calls.append(f"time.sleep {seconds}")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", watched)


def resources() -> tuple[int, int]:
    """How many file descriptors and threads this process has."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 - the shortest way to count


async def require_soon(condition: Callable[[], bool], message: Callable[[], str], *, seconds: float) -> None:
    """Fail unless a condition holds within some seconds."""
    __tracebackhide__ = True
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        require(asyncio.get_running_loop().time() < deadline, message())
        await asyncio.sleep(0.02)
