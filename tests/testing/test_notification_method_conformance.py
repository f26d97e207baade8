"""The suite for notification methods lets a good one pass and finds each way to be a bad one."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import Notification, NotificationChannel, NotificationMethod, Receipt, in_thread
from debusine.testing import MemoryNotificationMethod, NotificationMethodConformance
from debusine.testing.memory_method import MemoryOptions

DATA: dict[str, Any] = {"to": ["alice", "bob"]}

#: Threads of bad methods wait for it.
RELEASED = threading.Event()


class TestMemory(NotificationMethodConformance):
    @pytest.fixture
    def method(self) -> MemoryNotificationMethod:
        return MemoryNotificationMethod()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"to": ["alice", "bob"], "cc": ["carol"]}

    async def arrived(self, method: NotificationMethod[Any], notification: Notification) -> bool:
        assert isinstance(method, MemoryNotificationMethod)
        return [told for _, told in method.sent] == [notification]


class Nameless(MemoryNotificationMethod):
    name = ""


class Lax(MemoryNotificationMethod):
    data_schema = {"type": "object"}


class NotOnlyObjects(MemoryNotificationMethod):
    data_schema = {"properties": {}, "additionalProperties": True}


class NoSchema(MemoryNotificationMethod):
    data_schema = {"type": "objekt"}


class Repeating(MemoryNotificationMethod):
    @classmethod
    def recipients(cls, data: Any) -> list[str]:
        return [*data["to"], *data["to"]]


class Failing(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        return Receipt(refused={"alice": "no"})


class Losing(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        return Receipt()


class Forgetful(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Any:
        return None


class Gossip(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        return Receipt(deferred={"bob": "later"})


class Remembering(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        if notification.message_id in [told.message_id for _, told in self.sent]:
            raise ValueError("again")
        return await super().send(channel, notification)


class OneAtATime(MemoryNotificationMethod):
    busy = False

    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return Receipt()


class ASCII(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        notification.subject.encode("ascii")
        return Receipt()


class Greedy(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        channel.data["to"].pop()
        return Receipt()


class Sleepy(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        time.sleep(0.001)
        return Receipt()


class Reading(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        with Path(__file__).open():
            return Receipt()


class Stubborn(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        await in_thread(RELEASED.wait)
        return Receipt()


class Swallowing(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise OSError("interrupted") from None
        return Receipt()


class Leaking(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        threading.Thread(target=RELEASED.wait, daemon=True).start()
        return Receipt()


class CloseOnce(MemoryNotificationMethod):
    async def aclose(self) -> None:
        self.sent.remove(self.sent[0])


class Suite(NotificationMethodConformance):
    patience = 0.3  # seconds for what never ends

    async def arrived(self, method: NotificationMethod[Any], notification: Notification) -> bool:
        assert isinstance(method, MemoryNotificationMethod)
        return [told for _, told in method.sent] == [notification]


@pytest.mark.parametrize(
    ("broken", "test", "sentence"),
    [
        (Nameless, "the_class_can_be_offered_by_a_hook", "it has no name"),
        (Lax, "the_schema_takes_the_data_and_no_unknown_key", "must refuse unknown keys"),
        (NotOnlyObjects, "the_schema_speaks_of_an_object", "must refuse"),
        (NoSchema, "the_schema_speaks_of_an_object", "not a JSON Schema"),
        (Repeating, "recipients_are_found_and_are_the_same_each_time", "must not name anybody twice"),
        (Failing, "a_notification_is_sent_to_everybody", "must reach every recipient"),
        (Losing, "a_notification_comes_through", "must have arrived"),
        (Forgetful, "a_notification_is_sent_to_everybody", "must return a Receipt, not None"),
        (Gossip, "only_those_who_wait_get_it", "recipients of the notification alone"),
        (Greedy, "nothing_is_changed", "must not change channel.data"),
        (ASCII, "hostile_texts_are_sent_or_refused", "raise one of its two errors, not UnicodeEncodeError"),
        (Sleepy, "the_event_loop_is_never_blocked", "time.sleep"),
        (Reading, "the_event_loop_is_never_blocked", "in_thread: open"),
        (Stubborn, "a_call_that_is_cancelled_ends_soon", "must end within 0.3 seconds"),
        (Swallowing, "a_call_that_is_cancelled_ends_soon", "must let CancelledError pass"),
        (Leaking, "file_descriptors_and_threads_do_not_leak", "file descriptors and threads"),
    ],
)
async def test_a_broken_method_fails_with_a_sentence(
    broken: type[MemoryNotificationMethod], test: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pytest.fail.Exception, match=sentence):
        await call(broken, test, monkeypatch)


@pytest.mark.parametrize(
    ("broken", "test", "error"),
    [
        (Remembering, "a_repeated_notification_is_sent_again", ValueError),
        (OneAtATime, "several_are_sent_at_the_same_time", RuntimeError),
        (CloseOnce, "it_can_be_closed_twice", IndexError),
    ],
)
async def test_a_method_that_raises_where_it_should_not_is_seen(
    broken: type[MemoryNotificationMethod], test: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error):
        await call(broken, test, monkeypatch)


class Away(MemoryNotificationMethod):
    async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
        raise OSError("away")


@pytest.mark.parametrize(("broken", "sentence"), [(Losing, "but succeeds"), (Away, "not OSError")])
async def test_an_other_side_that_is_away_must_be_told_as_such(
    broken: type[MemoryNotificationMethod], sentence: str
) -> None:
    with pytest.raises(pytest.fail.Exception, match=sentence):
        await Suite().test_an_other_side_that_is_away_is_a_temporary_failure(broken(), DATA)


async def call(broken: type[MemoryNotificationMethod], test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one test of the suite with a method."""
    method, suite = broken(MemoryOptions()), Suite()
    if broken is Swallowing:
        suite.patience = 30.0  # it ends by itself, also when the machine stands still
    function: Callable[..., Any] = getattr(suite, f"test_{test}")
    more = [monkeypatch] if "monkeypatch" in function.__code__.co_varnames else []
    arguments = [method] if function.__code__.co_argcount == 2 else [method, dict(DATA, to=list(DATA["to"]))]
    RELEASED.clear()
    try:
        await function(*arguments, *more)
    finally:
        RELEASED.set()  # before the loop ends, which would wait for the threads
