"""The outbox: what is written with a change, who takes it in hand, and what becomes of each try."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.notifications import DeliveryOutcome, OutboxState
from debusine.domain.work_requests import Result, Status
from debusine.services import attempts, channels, endings, outbox, retries, servers
from debusine.services.outbox import LONGEST_PAUSE, Tried
from tests.notifying import LIMITS, add_channel, ask, claim, deliveries, entries, finish, queue, reaction, record
from tests.work import TASKS, Workshop, add_server

DELIVERED = Tried(outcome=DeliveryOutcome.DELIVERED, settled={"alice": ""})
AWAY = Tried(outcome=DeliveryOutcome.TEMPORARY, error="The other side is away")

EVERYTHING = {
    event: [reaction()] for event in ("on_creation", "on_unblock", "on_assignment", "on_success", "on_failure")
}


class TestWriting:
    async def test_each_event_is_told_once(self, workshop: Workshop) -> None:
        channel = await add_channel(workshop.database)
        made = await ask(workshop, EVERYTHING)
        await finish(workshop, Result.FAILURE, await workshop.worker())

        found = await entries(workshop.database)
        assert [(each.event, each.result) for each in found] == [
            ("on_creation", ""),
            ("on_assignment", ""),
            ("on_failure", "failure"),
        ]
        assert {(each.work_request, each.channel, each.method, each.tries) for each in found} == {
            (made.id, channel.id, "memory", 0)
        }
        assert len({each.message_id for each in found}) == 3

    @pytest.mark.parametrize(
        ("result", "event"),
        [
            (Result.SUCCESS, ["on_success"]),
            (Result.FAILURE, ["on_failure"]),
            (Result.ERROR, ["on_failure"]),
            (Result.SKIPPED, []),
        ],
    )
    async def test_a_result_is_told_to_those_whom_it_concerns(
        self, workshop: Workshop, result: Result, event: list[str]
    ) -> None:
        await add_channel(workshop.database)
        await ask(workshop, {"on_success": [reaction()], "on_failure": [reaction()]})
        await finish(workshop, result, await workshop.worker())

        assert [each.event for each in await entries(workshop.database)] == event

    async def test_a_result_that_the_server_itself_writes_is_told(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await ask(workshop, {"on_failure": [reaction()]})
        started = await workshop.start(await workshop.worker())
        await workshop.database.write(attempts.time_out, started.id, started.attempt)

        assert [(each.event, each.result) for each in await entries(workshop.database)] == [("on_failure", "error")]

    async def test_a_repeated_report_is_told_once(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await ask(workshop, {"on_success": [reaction()]})
        worker = await workshop.worker()
        done = await finish(workshop, Result.SUCCESS, worker)
        await workshop.complete(worker, done.id, attempt=1)
        await workshop.complete(worker, done.id)

        assert len(await entries(workshop.database)) == 1

    async def test_an_unblocked_work_request_is_told(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        first = await ask(workshop, {})
        second = await ask(workshop, {"on_unblock": [reaction()]})
        await workshop.database.write(_block, second.id, first.id)
        await finish(workshop, Result.SUCCESS, await workshop.worker())

        assert [(each.event, each.work_request) for each in await entries(workshop.database)] == [
            ("on_unblock", second.id)
        ]

    async def test_a_retry_is_a_creation(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        old = await ask(workshop, {"on_creation": [reaction()]})
        await workshop.database.write(_abort, old.id)
        new = await workshop.database.write(retries.retry, workshop.user, TASKS, old.id)

        assert [each.work_request for each in await entries(workshop.database)] == [old.id, new.work_request.id]

    async def test_nothing_is_written_of_what_was_rolled_back(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await ask(workshop, {"on_failure": [reaction()]})
        started = await workshop.start(await workshop.worker())

        def fail(uow: UnitOfWork) -> None:
            attempts.time_out(uow, started.id, started.attempt)
            raise RuntimeError("after all")

        with pytest.raises(RuntimeError):
            await workshop.database.write(fail)

        assert await entries(workshop.database) == []
        assert (await workshop.get(started.id)).status == "running"

    async def test_a_channel_that_is_gone_costs_the_notification_alone(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await ask(workshop, {"on_success": [reaction()]})
        await workshop.database.write(channels.delete, "mail")
        done = await finish(workshop, Result.SUCCESS, await workshop.worker())

        (entry,) = await entries(workshop.database)
        assert done.result == "success"
        assert (entry.state, entry.error) == ("dead", "There is no channel mail any more")

    async def test_a_channel_that_became_strict_sends_to_nobody_else(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, allow_overrides=True)
        await ask(workshop, {"on_success": [reaction(to=["mallory"])]})
        await workshop.database.write(channels.delete, "mail")
        await add_channel(workshop.database)
        await finish(workshop, Result.SUCCESS, await workshop.worker())

        (entry,) = await entries(workshop.database)
        assert entry.state == "dead"
        assert "does not allow" in (entry.error or "")


class TestClaiming:
    async def test_what_was_claimed_is_claimed_by_nobody_else(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 3)
        other = await workshop.database.write(add_server, "other")

        first = await claim(workshop, limit=2)
        second = await claim(workshop, server=other)
        third = await claim(workshop, server=other)

        assert [len(found) for found in (first, second, third)] == [2, 1, 0]
        assert not await workshop.database.read(outbox.any_due, ["memory"])

    async def test_only_what_the_method_can_send_is_claimed(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, method="pigeon")
        await queue(workshop)

        assert await claim(workshop) == []
        assert await workshop.database.read(outbox.any_due, ["pigeon"])

    async def test_what_a_dead_server_had_in_hand_is_taken_over(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        other = await workshop.database.write(add_server, "other")
        (lost,) = await claim(workshop, server=other)
        await workshop.database.write(servers.forget, [other])

        (again,) = await claim(workshop)

        assert again.entry.message_id == lost.entry.message_id
        assert [(each.server, each.outcome) for each in await deliveries(workshop.database, again.entry)] == [
            ("other", "lost"),
            ("here", None),
        ]

    async def test_a_lease_that_is_over_frees_what_a_stuck_server_has(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        other = await workshop.database.write(add_server, "other")
        (stuck,) = await claim(workshop, server=other)
        assert await claim(workshop) == []
        await workshop.database.write(_end_lease, stuck.entry.id)

        (again,) = await claim(workshop)

        assert again.entry.tries == 2

    async def test_a_server_that_was_overtaken_has_no_say_any_more(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        other = await workshop.database.write(add_server, "other")
        (late,) = await claim(workshop, server=other)
        await workshop.database.write(servers.forget, [other])
        (again,) = await claim(workshop)

        assert await record(workshop, late, Tried(outcome=DeliveryOutcome.PERMANENT, error="no")) is None

        (entry,) = await entries(workshop.database)
        assert (entry.state, entry.server, entry.tries) == ("waiting", workshop.server, 2)
        assert await record(workshop, again, DELIVERED) is not None

    async def test_many_servers_share_what_waits_and_none_takes_what_another_has(
        self, workshop: Workshop, database_url: str
    ) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 40)
        if database_url.startswith("sqlite"):
            claimed = await asyncio.gather(*(claim(workshop, limit=3) for _ in range(20)))
        else:
            others = [open_database(database_url) for _ in range(3)]
            ids = [await workshop.database.write(add_server, f"s{number}") for number in range(3)]
            try:
                claimed = await asyncio.gather(
                    *(_claim_all(database, server) for database, server in zip(others, ids, strict=True))
                )
            finally:
                for database in others:
                    await database.aclose()
        taken = [each.entry.id for found in claimed for each in found]

        assert sorted(taken) == sorted({each.id for each in await entries(workshop.database)})


class TestRecording:
    async def test_a_delivery_is_the_end(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        (claimed,) = await claim(workshop)

        after = await record(workshop, claimed, DELIVERED)

        assert after is not None
        assert (after.state, after.error, after.server, dict(after.settled)) == ("delivered", None, None, {"alice": ""})
        (delivery,) = await deliveries(workshop.database, after)
        assert (delivery.outcome, delivery.number, delivery.server) == ("delivered", 1, "here")

    async def test_a_failure_is_tried_again_after_longer_and_longer_pauses(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        pauses = []
        for _ in range(12):
            (claimed,) = await claim(workshop)
            after = await record(workshop, claimed, AWAY)
            assert after is not None
            pauses.append((after.due_at - workshop.database.clock()).total_seconds())
            assert await claim(workshop) == []
            await workshop.advance(pauses[-1])

        assert pauses[:4] == [10, 20, 40, 80]
        assert pauses[-1] == LONGEST_PAUSE

    async def test_jitter_and_the_wish_of_the_other_side_move_the_next_try(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 3)
        first, second, third = await claim(workshop)
        at = workshop.database.clock()
        patient = Tried(outcome=DeliveryOutcome.TEMPORARY, error="later", retry_after=300)
        forever = Tried(outcome=DeliveryOutcome.TEMPORARY, error="later", retry_after=1e9)

        due = [
            await record(workshop, first, AWAY, jitter=1.2),
            await record(workshop, second, patient),
            await record(workshop, third, forever),
        ]

        assert [(each.due_at - at).total_seconds() for each in due if each] == [12, 300, LONGEST_PAUSE]

    async def test_after_72_hours_it_is_given_up_and_says_why(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        await workshop.advance(72 * 3600 - 1)
        (claimed,) = await claim(workshop)
        still = await record(workshop, claimed, AWAY)
        assert still is not None
        assert still.state == "waiting"
        await workshop.advance(60)
        (claimed,) = await claim(workshop)
        after = await record(workshop, claimed, AWAY)

        assert after is not None
        assert (after.state, after.error) == ("dead", "Given up after 2 tries: The other side is away")

    async def test_what_waited_for_72_hours_while_no_server_ran_is_tried_first(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop)
        await workshop.advance(100 * 3600)
        (claimed,) = await claim(workshop)
        after = await record(workshop, claimed, DELIVERED)

        assert after is not None
        assert after.state == "delivered"

    async def test_those_who_have_it_are_not_told_again(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, to=["alice", "bob", "carol"])
        await queue(workshop)
        (claimed,) = await claim(workshop)
        some = Tried(outcome=DeliveryOutcome.PARTIAL, settled={"alice": "", "bob": "550 no"}, error="carol: 451 later")
        await record(workshop, claimed, some)
        await workshop.advance(60)
        (again,) = await claim(workshop)

        assert again.entry.unsettled(("alice", "bob", "carol")) == ("carol",)
        after = await record(workshop, again, Tried(outcome=DeliveryOutcome.DELIVERED, settled={"carol": ""}))
        assert after is not None
        assert (after.state, after.error) == ("dead", "bob: 550 no")

    async def test_a_channel_deleted_while_its_notification_is_sent_ends_it(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 2)
        (claimed,) = await claim(workshop, limit=1)

        assert await workshop.database.write(channels.delete, "mail") == 2
        assert await record(workshop, claimed, DELIVERED) is None

        assert [(each.state, each.error) for each in await entries(workshop.database)] == [
            ("dead", "The channel mail was deleted")
        ] * 2
        (delivery,) = await deliveries(workshop.database, claimed.entry)
        assert delivery.outcome == "delivered"


class TestTidying:
    async def test_old_ones_are_forgotten_and_young_and_waiting_ones_are_not(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 2)
        old, waiting = await claim(workshop)
        await record(workshop, old, DELIVERED)
        await workshop.advance(LIMITS.notification_memory + 1)
        await queue(workshop)
        (young,) = [each for each in await claim(workshop) if each.entry.id not in {old.entry.id, waiting.entry.id}]
        await record(workshop, young, DELIVERED)

        assert await workshop.database.write(outbox.forget, LIMITS.notification_memory) is False

        assert [each.id for each in await entries(workshop.database)] == [waiting.entry.id, young.entry.id]
        assert await deliveries(workshop.database, old.entry) == []

    async def test_what_no_server_can_send_is_given_up_in_the_end(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, method="pigeon")
        await add_channel(workshop.database, "good")
        await ask(workshop, {"on_creation": [reaction(), reaction("good")]})
        patience = LIMITS.notification_patience
        await workshop.database.write(outbox.give_up, ["memory"], {}, patience)
        assert {each.state for each in await entries(workshop.database)} == {"waiting"}
        await workshop.advance(patience + 1)
        await workshop.database.write(outbox.give_up, ["memory"], {"pigeon": "it is not configured"}, patience)

        pigeon, good = await entries(workshop.database)
        assert pigeon.state is OutboxState.DEAD
        assert "pigeon cannot be used on this server: it is not configured" in (pigeon.error or "")
        assert good.state is OutboxState.WAITING

    async def test_states_are_counted(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 3)
        (claimed,) = await claim(workshop, limit=1)
        await record(workshop, claimed, DELIVERED)

        assert await workshop.database.read(lambda uow: uow.outbox.count_by_state()) == {
            OutboxState.WAITING: 2,
            OutboxState.DELIVERED: 1,
            OutboxState.DEAD: 0,
        }


async def _claim_all(database: Database, server: int) -> list[Any]:
    found: list[Any] = []
    while some := await database.write(outbox.claim, "memory", server=server, limits=LIMITS, limit=2):
        found += some
    return found


def _block(uow: UnitOfWork, work_request: int, depends_on: int) -> None:
    found = uow.work_requests.get(work_request)
    uow.work_requests.save(evolve(found, status=Status.BLOCKED), expecting=found)
    uow.work_requests.add_dependency(work_request, depends_on)


def _abort(uow: UnitOfWork, work_request: int) -> None:
    endings.abort(uow, uow.work_requests.get(work_request), by=None)


def _end_lease(uow: UnitOfWork, entry: int) -> None:
    found = uow.outbox.get(entry)
    uow.outbox.save(evolve(found, leased_until=uow.servers.now() - timedelta(seconds=2)), expecting=found)
