"""The sender: whatever a notification method does, notifications go out and everything else goes on."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from debusine_filestore_local.backend import LocalFileStore

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.engine import DatabaseFull, DatabaseUnreachable
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.notifications import OutboxEntry
from debusine.domain.times import now
from debusine.plugin import (
    Notification,
    NotificationChannel,
    NotificationMethod,
    PermanentFailure,
    Receipt,
    Secret,
    TemporaryFailure,
    in_thread,
)
from debusine.scheduler.fifo import Fifo
from debusine.server import sender as sender_module
from debusine.server.background import running_background
from debusine.server.beat import announced
from debusine.server.keys import SENDER
from debusine.server.sender import Sender
from debusine.services import outbox
from debusine.services.notification_methods import configure
from debusine.services.notification_texts import compose
from debusine.services.outbox import Claimed
from debusine.tasks.noop import Noop
from debusine.testing import MemoryNotificationMethod, plugin_manager
from tests.farm import Farm, open_farm
from tests.notifying import add_channel, ask, deliveries, entries, queue, reaction
from tests.server.work_farm import ready_worker, status_of
from tests.work import Workshop, open_workshop

QUICK = Limits(sweep=0.05, notification_backoff=0.02, notification_call=20)

Act = Callable[[Notification], Any]


def method_that(act: Act, name: str = "memory") -> type[MemoryNotificationMethod]:
    """A method that does something of its own; what it returns or awaits to is what ``send`` returns."""

    class Acting(MemoryNotificationMethod):
        async def send(self, channel: NotificationChannel, notification: Notification) -> Receipt:
            await super().send(channel, notification)
            result = act(notification)
            receipt: Receipt = await result if asyncio.iscoroutine(result) else result
            return receipt

    Acting.name = name
    return Acting


@asynccontextmanager
async def open_notifying(
    database: Database, directory: Path, *methods: type[NotificationMethod[Any]], limits: Limits = QUICK
) -> AsyncIterator[Farm]:
    """A farm with these methods, a channel ``mail`` to alice by the first of them, and the task ``noop``."""
    plugins = plugin_manager(
        file_stores=[LocalFileStore], scheduler_policies=[Fifo], tasks=[Noop], notification_methods=methods
    )
    async with open_farm(database, directory, plugins=plugins, limits=limits) as farm:
        await add_channel(database, method=methods[0].name)
        yield farm


async def create(farm: Farm, *channels: str, event: str = "on_creation") -> int:
    reactions = {event: [reaction(channel) for channel in channels or ("mail",)]}
    answer = await farm.post("/api/1.0/work-request/", {"task_name": "noop", "event_reactions": reactions})
    assert answer.status == 200, answer
    return int(answer.json()["id"])


async def until(farm: Farm, condition: Callable[[list[OutboxEntry]], bool]) -> list[OutboxEntry]:
    """Wait until the outbox is as a test wants it."""
    async with asyncio.timeout(30):
        while not condition(found := await entries(farm.database)):
            await asyncio.sleep(0.01)
    return found


def all_are(state: str) -> Callable[[list[OutboxEntry]], bool]:
    return lambda found: bool(found) and all(each.state == state for each in found)


def sent(farm: Farm, name: str = "memory") -> list[tuple[NotificationChannel, Notification]]:
    method = sender_of(farm).opened[name]
    assert isinstance(method, MemoryNotificationMethod)
    return method.sent


def sender_of(farm: Farm) -> Sender:
    app = farm.client.app
    assert app is not None
    found: Sender = app[SENDER]
    return found


class TestSending:
    async def test_a_notification_goes_out_once_and_right_after_the_commit(
        self, database: Database, tmp_path: Path
    ) -> None:
        never = evolve(QUICK, sweep=3600.0)  # the wake-up alone
        async with open_notifying(database, tmp_path, MemoryNotificationMethod, limits=never) as farm:
            number = await create(farm)
            (entry,) = await until(farm, all_are("delivered"))
            ((channel, told),) = sent(farm)

        assert (channel.name, dict(channel.data)) == ("mail", {"to": ["alice"]})
        assert (told.work_request, told.recipients, told.message_id) == (number, ("alice",), entry.message_id)
        assert told.subject == f"WorkRequest {number} was created"
        assert told.body.startswith("Sent by debusine\n")
        assert "http" not in told.body  # nobody has said under which address the farm is known

    async def test_a_sweep_finds_what_a_wake_up_missed(self, workshop: Workshop, tmp_path: Path) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 7)
        async with running_sender(workshop, MemoryNotificationMethod) as sender:
            await until_sent(sender, 7)

        assert {each.state for each in await entries(workshop.database)} == {"delivered"}

    async def test_two_servers_send_each_once(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 30)
        async with (
            running_sender(workshop, MemoryNotificationMethod) as one,
            running_sender(workshop, MemoryNotificationMethod) as two,
        ):
            await until_sent_by([one, two], 30)

        told = [told.message_id for sender in (one, two) for _, told in memory(sender).sent]
        assert sorted(told) == sorted(each.message_id for each in await entries(workshop.database))

    async def test_a_method_has_a_bounded_number_of_calls_at_the_same_time(self, workshop: Workshop) -> None:
        running, most = 0, 0
        enough = asyncio.Event()

        async def count(_: Notification) -> Receipt:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == QUICK.notification_calls:
                enough.set()
            await enough.wait()
            await asyncio.sleep(0)
            running -= 1
            return Receipt()

        await add_channel(workshop.database)
        await queue(workshop, 13)
        async with running_sender(workshop, method_that(count)) as sender:
            await until_sent(sender, 13)

        assert most == QUICK.notification_calls


class TestSubmitting:
    async def test_what_a_submitter_may_not_is_told_at_once(self, database: Database, tmp_path: Path) -> None:
        async with open_notifying(database, tmp_path, MemoryNotificationMethod) as farm:
            await add_channel(database, "open", allow_overrides=True)
            answers = [
                await farm.post(
                    "/api/1.0/work-request/", {"task_name": "noop", "event_reactions": {"on_success": [it]}}
                )
                for it in (reaction("post"), reaction(to=["mallory"]), {**reaction("open"), "data": {"to": [5]}})
            ]

        assert [answer.status for answer in answers] == [400] * 3
        assert [answer.problem()["title"] for answer in answers] == [
            "Non-existing channels: ['post']",
            "Invalid event_reactions",
            "Invalid event_reactions",
        ]


class TestFailures:
    async def test_a_temporary_failure_is_tried_again(self, database: Database, tmp_path: Path) -> None:
        answers = iter([TemporaryFailure("away"), TemporaryFailure("still\naway", retry_after=0.01), None])

        def act(_: Notification) -> Receipt:
            if error := next(answers):
                raise error
            return Receipt()

        async with open_notifying(database, tmp_path, method_that(act)) as farm:
            await create(farm)
            (entry,) = await until(farm, all_are("delivered"))

        assert [(each.outcome, each.error) for each in await deliveries(database, entry)] == [
            ("temporary", "away"),
            ("temporary", "still away"),
            ("delivered", None),
        ]

    async def test_a_permanent_failure_is_not_and_says_why(self, database: Database, tmp_path: Path) -> None:
        def act(_: Notification) -> Receipt:
            raise PermanentFailure("nobody lives there")

        async with open_notifying(database, tmp_path, method_that(act)) as farm:
            await create(farm)
            (entry,) = await until(farm, all_are("dead"))
            assert len(sent(farm)) == 1

        assert (entry.error, dict(entry.settled)) == ("nobody lives there", {"alice": "nobody lives there"})

    async def test_only_those_who_did_not_get_it_get_it_again(self, database: Database, tmp_path: Path) -> None:
        receipts = iter([Receipt(refused={"bob": "no"}, deferred={"carol": "later"}), Receipt()])

        async with open_notifying(database, tmp_path, method_that(lambda _: next(receipts))) as farm:
            await add_channel(database, "team", to=["alice", "bob"], cc=["carol"])
            await create(farm, "team")
            (entry,) = await until(farm, all_are("dead"))

            assert [told.recipients for _, told in sent(farm)] == [("alice", "bob", "carol"), ("carol",)]
        assert (entry.error, entry.tries) == ("bob: no", 2)
        assert dict(entry.settled) == {"alice": "", "bob": "no", "carol": ""}


async def fails(_: Notification) -> Receipt:
    raise ZeroDivisionError("secret is hunter2")


async def quits(_: Notification) -> Receipt:
    raise SystemExit(3)


async def cancels(_: Notification) -> Receipt:
    raise asyncio.CancelledError


async def hangs(_: Notification) -> Receipt:
    await asyncio.sleep(3600)
    return Receipt()


async def resists(_: Notification) -> Receipt:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if RELEASED.is_set():
                raise


async def blocks_a_thread(_: Notification) -> Receipt:
    await in_thread(RELEASED.wait)
    return Receipt()


#: Bad methods that nobody can interrupt wait for it.
RELEASED = threading.Event()


@asynccontextmanager
async def released() -> AsyncIterator[None]:
    """Hold bad methods; let go of them in any case, or the loop would wait for them at its end."""
    RELEASED.clear()
    try:
        yield
    finally:
        RELEASED.set()


BAD: Mapping[str, tuple[Act, str, str]] = {
    "raises": (fails, "broken", "ZeroDivisionError"),
    "quits": (quits, "broken", "SystemExit: 3"),
    "cancels": (cancels, "broken", "CancelledError"),
    "returns nothing": (lambda _: None, "broken", "None is not a Receipt"),
    "returns nonsense": (lambda _: Receipt(refused=["alice"]), "broken", "not a mapping"),  # type: ignore[arg-type]
    "names strangers": (lambda _: Receipt(deferred={"mallory": "x"}), "broken", "mallory"),
    "hangs": (hangs, "timeout", "did not come to an end within 0.1 seconds"),
    "resists": (resists, "timeout", "did not come to an end within 0.1 seconds"),
    "blocks a thread": (blocks_a_thread, "timeout", "did not come to an end within 0.1 seconds"),
}


@frozen(kw_only=True)
class SecretOptions:
    """With something that nobody may see."""

    password: Secret = field(factory=lambda: Secret("hunter2"))


class TestBadMethods:
    @pytest.mark.parametrize("kind", BAD)
    async def test_it_costs_that_call_only_and_is_named_in_the_log(
        self, database: Database, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        act, outcome, said = BAD[kind]
        impatient = evolve(QUICK, notification_call=0.1, notification_calls=2, notification_backoff=3600)
        bad = with_secret(method_that(act))
        good = method_that(lambda _: Receipt(), "good")
        async with released(), open_notifying(database, tmp_path, bad, good, limits=impatient) as farm:
            await add_channel(database, "good", method="good")
            await create(farm, "mail", "good")
            first, second = await until(farm, lambda found: all(each.error or each.ended_at for each in found))
            later = await create(farm, "good")
            await until(farm, lambda found: found[-1].state == "delivered")
            RELEASED.set()
            for call in {call for calls in sender_of(farm)._under_way.values() for call in calls}:
                call.cancel()

        assert (first.state, second.state) == ("waiting", "delivered")
        assert later
        (delivery,) = await deliveries(database, first)
        assert delivery.outcome == outcome
        assert said in (first.error or "")
        named = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
        assert any("The notification method memory" in message for message in named)
        assert "hunter2" not in caplog.text + (first.error or "")

    async def test_a_hanging_method_keeps_its_share_and_no_more(self, workshop: Workshop) -> None:
        """Calls that cannot be interrupted count until they end."""
        bounded = evolve(QUICK, notification_call=0.05, notification_calls=2)
        await add_channel(workshop.database)
        await queue(workshop, 5)
        async with running_sender(workshop, method_that(blocks_a_thread), limits=bounded) as sender, released():
            async with asyncio.timeout(30):
                while sum(bool(each.error) for each in await entries(workshop.database)) < 2:
                    await asyncio.sleep(0.01)
            await sender.sweep()
            await sender.sweep()
            assert len(memory(sender).sent) == 2
            RELEASED.set()
            await until_sent_at_least(sender, 7)

    async def test_a_method_that_cannot_be_built_is_left_out(
        self, workshop: Workshop, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(MemoryNotificationMethod):
            name = "broken"

            def __init__(self, options: Any) -> None:
                raise RuntimeError("cannot")

        async with running_sender(workshop, Broken, MemoryNotificationMethod) as sender:
            assert list(sender.opened) == ["memory"]
        assert "The notification method broken cannot be used" in caplog.text

    async def test_one_that_cannot_say_who_gets_it_costs_that_notification(self, workshop: Workshop) -> None:
        class Puzzled(MemoryNotificationMethod):
            @classmethod
            def recipients(cls, data: Mapping[str, Any]) -> list[str]:
                raise KeyError("to whom?")

        await add_channel(workshop.database)
        await queue(workshop)
        async with running_sender(workshop, Puzzled):
            async with asyncio.timeout(30):
                while not (await entries(workshop.database))[0].error:
                    await asyncio.sleep(0.01)
        (entry,) = await entries(workshop.database)
        assert (entry.state, (await deliveries(workshop.database, entry))[0].outcome) == ("waiting", "broken")

    @pytest.mark.parametrize("bad", ["text", "url"])
    async def test_one_that_cannot_be_composed_costs_a_try_of_itself_only(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bad: str
    ) -> None:
        def url(claimed: Claimed) -> str:
            if bad == "url" and claimed.channel.name == "mail":
                raise KeyError("where?")
            return "http://farm"

        def composed(claimed: Claimed, recipients: tuple[str, ...], url: str | None) -> Notification:
            if bad == "text" and claimed.channel.name == "mail":
                raise ValueError("no words")
            return compose(claimed, recipients, url)

        monkeypatch.setattr(sender_module, "compose", composed)
        await add_channel(workshop.database)
        await add_channel(workshop.database, "good", to=["bob"])
        await ask(workshop, {"on_creation": [reaction(), reaction("good")]})
        async with running_sender(
            workshop, MemoryNotificationMethod, limits=evolve(QUICK, notification_backoff=3600), url=url
        ):
            async with asyncio.timeout(30):
                while not all(each.error or each.ended_at for each in await entries(workshop.database)):
                    await asyncio.sleep(0.01)
        first, second = await entries(workshop.database)
        assert (first.state, second.state) == ("waiting", "delivered")
        assert [each.outcome for each in await deliveries(workshop.database, first)] == ["broken"]
        assert f"Notification {first.id} cannot be composed" in caplog.text

    async def test_what_ends_before_it_becomes_a_call_is_bounded_too(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, recording = Sender._record, []
        go_on = asyncio.Event()

        async def wait(self: Sender, *arguments: Any) -> None:
            recording.append(arguments)
            await go_on.wait()
            await original(self, *arguments)

        monkeypatch.setattr(Sender, "_record", wait)
        await add_channel(workshop.database, colour="red")
        await queue(workshop, 13)
        async with running_sender(workshop, MemoryNotificationMethod) as sender:
            async with asyncio.timeout(30):
                while len(recording) < QUICK.notification_calls:
                    await asyncio.sleep(0.01)
            await sender.sweep()
            await asyncio.sleep(0)
            bounded = len(recording)
            go_on.set()
            async with asyncio.timeout(30):
                while not all(each.state == "dead" for each in await entries(workshop.database)):
                    await asyncio.sleep(0.01)

        assert bounded == QUICK.notification_calls

    async def test_a_channel_that_does_not_fit_any_more_is_told(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, colour="red")
        await queue(workshop)
        async with running_sender(workshop, MemoryNotificationMethod):
            async with asyncio.timeout(30):
                while (await entries(workshop.database))[0].state == "waiting":
                    await asyncio.sleep(0.01)
        (entry,) = await entries(workshop.database)
        assert entry.state == "dead"
        assert "'colour' was unexpected" in (entry.error or "")


class TestTheDatabase:
    @pytest.mark.parametrize("error", [DatabaseFull(), DatabaseUnreachable("gone")])
    async def test_a_delivery_is_recorded_once_the_database_is_back_and_not_made_again(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        original, failures = outbox.record, iter([error, error])

        def fails_twice(uow: UnitOfWork, *arguments: Any) -> Any:
            if failure := next(failures, None):
                raise failure
            return original(uow, *arguments)

        monkeypatch.setattr(outbox, "record", fails_twice)
        await add_channel(workshop.database)
        await queue(workshop)
        async with running_sender(workshop, MemoryNotificationMethod) as sender:
            async with asyncio.timeout(30):
                while (await entries(workshop.database))[0].state != "delivered":
                    await asyncio.sleep(0.01)

        assert len(memory(sender).sent) == 1

    @pytest.mark.parametrize("error", [DatabaseFull(), DatabaseUnreachable("gone")])
    async def test_the_loop_survives_a_database_that_is_away(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        original, failures = outbox.claim, iter([error, error])

        def fails_twice(uow: UnitOfWork, *arguments: Any, **more: Any) -> Any:
            if failure := next(failures, None):
                raise failure
            return original(uow, *arguments, **more)

        monkeypatch.setattr(outbox, "claim", fails_twice)
        await add_channel(workshop.database)
        await queue(workshop)
        async with running_sender(workshop, MemoryNotificationMethod) as sender:
            await until_sent(sender, 1)

        assert next(failures, None) is None
        assert len(memory(sender).sent) == 1


class TestEverythingElse:
    async def test_requests_and_completions_do_not_wait_for_a_hanging_method(
        self, database: Database, tmp_path: Path
    ) -> None:
        """All that a farm does goes on while the first calls hang, whatever the machine's load."""
        async with open_notifying(database, tmp_path, method_that(hangs)) as farm:
            waiting = [await create(farm, event="on_success") for _ in range(12)]
            done = []
            async with ready_worker(farm) as worker:
                while waiting:
                    await worker.until("work_request_available")
                    while (handed := await worker.get_next()) is not None:
                        assert await worker.complete(handed["id"]) == 200
                        waiting.remove(handed["id"])
                        done.append(handed["id"])
            await until(farm, lambda found: len(found) == 12)

            assert {(await status_of(farm, number)) for number in done} == {("completed", "success")}
            assert len(sent(farm)) == QUICK.notification_calls
            assert {each.state for each in await entries(database)} == {"waiting"}

    async def test_a_stop_lets_calls_end_and_hands_the_others_back(self, workshop: Workshop) -> None:
        called = asyncio.Event()

        async def hang(_: Notification) -> Receipt:
            called.set()
            await asyncio.sleep(3600)
            return Receipt()

        await add_channel(workshop.database)
        await queue(workshop)
        async with running_sender(workshop, method_that(hang)):
            await called.wait()
        async with running_sender(workshop, MemoryNotificationMethod) as sender:
            await until_sent(sender, 1)

        (entry,) = await entries(workshop.database)
        assert [each.outcome for each in await deliveries(workshop.database, entry)] == ["lost", "delivered"]


def with_secret(method: type[MemoryNotificationMethod]) -> type[MemoryNotificationMethod]:
    """The same method with a password among its settings."""
    return type("Guarded", (method,), {"Options": SecretOptions})


@pytest.fixture
async def workshop(database: Database) -> Workshop:
    """A user, and nobody who sends yet; the clock goes on."""
    opened = await open_workshop(database)
    database.clock = now
    return opened


@asynccontextmanager
async def running_sender(
    workshop: Workshop,
    *methods: type[NotificationMethod[Any]],
    limits: Limits = QUICK,
    url: Callable[[Claimed], str | None] = lambda claimed: None,
) -> AsyncIterator[Sender]:
    """The sender of a server process of its own."""
    known = configure({}, plugin_manager(notification_methods=methods).notification_methods(), {})
    async with announced(workshop.database, alone=False) as server, running_background() as background:
        sender = Sender(
            workshop.database,
            known,
            known.open(),
            background,
            server=server,
            limits=limits,
            url=url,
        )
        background.start("sender", sender.run())
        yield sender
        sender.stop()


def memory(sender: Sender) -> MemoryNotificationMethod:
    method = sender.opened["memory"]
    assert isinstance(method, MemoryNotificationMethod)
    return method


async def until_sent_at_least(sender: Sender, count: int) -> None:
    async with asyncio.timeout(30):
        while len(memory(sender).sent) < count:
            await asyncio.sleep(0.01)


async def until_sent(sender: Sender, count: int) -> None:
    """Wait until so many are sent and recorded."""
    await until_sent_by([sender], count)


async def until_sent_by(senders: list[Sender], count: int) -> None:
    async with asyncio.timeout(30):
        while sum(each.state == "delivered" for each in await entries(senders[0].database)) < count:
            await asyncio.sleep(0.01)
    assert sum(len(memory(sender).sent) for sender in senders) == count
