"""Passes of the scheduler: who gets what, in which order, and what cannot be handed out."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand, Metadata, Verdict
from debusine.domain.events import Event, WorkRequestAssigned, WorkRequestCompleted
from debusine.domain.work_requests import Result, Status, WorkRequest
from debusine.domain.workers import Worker
from debusine.plugin import Lookups, QueueHead, SchedulerPolicy, Usage
from debusine.scheduler.fifo import Fifo, FifoOptions
from tests.interleaving import keep_apart
from tests.work import Echo, EchoData, Workshop, dispatcher


async def assigned_to(workshop: Workshop, work_request: WorkRequest) -> int | None:
    return (await workshop.get(work_request.id)).worker


async def test_the_most_urgent_work_goes_first_then_the_oldest(workshop: Workshop) -> None:
    first, second, urgent = [await workshop.request() for _ in range(3)]
    await workshop.database.write(set_priority, urgent.id, 5)
    worker = await workshop.worker()

    order = []
    for _ in range(3):
        started = await workshop.start(worker)
        order.append(started.id)
        await workshop.complete(worker, started.id)

    assert order == [urgent.id, first.id, second.id]


async def test_every_idle_worker_gets_something_in_one_pass_and_one_thing_only(workshop: Workshop) -> None:
    workers = [await workshop.worker(f"builder{number}") for number in range(3)]
    requests = [await workshop.request() for _ in range(5)]

    await workshop.assign()
    await workshop.assign()

    taken = [await assigned_to(workshop, request) for request in requests]
    assert sorted(worker for worker in taken[:3] if worker) == sorted(each.worker.id for each in workers if each.worker)
    assert taken[3:] == [None, None]


async def test_assignments_are_told_after_the_commit(workshop: Workshop) -> None:
    worker = await workshop.worker()
    told: list[Event] = []
    workshop.database.subscribe(told.extend)
    request = await workshop.request()

    await workshop.assign()
    await asyncio.sleep(0)

    assert worker.worker is not None
    assert WorkRequestAssigned(request.id, worker.worker.id) in told


async def test_work_waits_for_a_worker_that_fits(workshop: Workshop) -> None:
    await workshop.worker("pc")
    request = await workshop.request(architecture="riscv64")
    await workshop.assign()
    assert await assigned_to(workshop, request) is None

    board = await workshop.worker("board", connected=True, **{"system:architectures": ["riscv64"]})
    await workshop.assign()

    assert board.worker is not None
    assert await assigned_to(workshop, request) == board.worker.id


@pytest.mark.parametrize(
    ("metadata", "fits"),
    [
        ({"tasks_allowlist": ["echo"]}, True),
        ({"tasks_allowlist": []}, False),
        ({"tasks_denylist": ["echo"]}, False),
        ({"tasks_denylist": ["noop"]}, True),
        ({"tasks_allowlist": ["echo"], "tasks_denylist": ["echo"]}, True),
        ({"echo:version": 2}, False),
        ({"system:worker_type": "signing"}, False),
    ],
)
async def test_the_operators_lists_and_the_workers_facts_decide(
    workshop: Workshop, metadata: Mapping[str, Any], fits: bool
) -> None:
    await workshop.worker(**metadata)
    request = await workshop.request()

    await workshop.assign()

    assert (await assigned_to(workshop, request) is not None) is fits


async def test_what_the_operator_says_of_a_worker_wins(workshop: Workshop) -> None:
    worker = await workshop.worker()
    await workshop.database.write(set_static_metadata, worker.worker.id if worker.worker else 0, {"echo:version": 7})
    request = await workshop.request()

    await workshop.assign()

    assert await assigned_to(workshop, request) is None


async def test_workers_that_are_away_disabled_or_busy_get_nothing(workshop: Workshop) -> None:
    await workshop.worker("away", connected=False)
    disabled = await workshop.worker("disabled")
    await workshop.database.write(disable, disabled.token.id if disabled.token else 0)
    busy = await workshop.worker("busy")
    await workshop.request()
    await workshop.start(busy)
    request = await workshop.request()

    await workshop.assign()

    assert await assigned_to(workshop, request) is None


async def test_inputs_are_looked_up_again_and_recorded_at_the_assignment(workshop: Workshop) -> None:
    worker = await workshop.worker()
    one, two = await workshop.artifact(), await workshop.artifact()
    await workshop.request(input=two.id, others=[f"{one.id}@artifacts"])

    started = await workshop.start(worker)

    assert started.dynamic_task_data == {"input_id": two.id, "others_ids": [one.id]}
    assert started.inputs == (one.id, two.id)
    (attempt,) = await workshop.attempts(started.id)
    assert attempt.inputs == (one.id, two.id)


async def test_work_whose_inputs_are_gone_ends_with_error_and_the_next_one_is_assigned(workshop: Workshop) -> None:
    worker = await workshop.worker()
    gone = await workshop.artifact()
    broken = await workshop.request(input=gone.id)
    good = await workshop.request()
    await workshop.database.write(lambda uow: uow.artifacts.delete(gone.id))
    told: list[Event] = []
    workshop.database.subscribe(told.extend)

    await workshop.assign()
    await asyncio.sleep(0)

    after = await workshop.get(broken.id)
    assert (after.status, after.result, after.attempt) == (Status.COMPLETED, Result.ERROR, 0)
    assert after.output_data is not None
    assert after.output_data["errors"][0]["code"] == "dynamic-data-failed"
    assert WorkRequestCompleted.of(after) in told
    assert await assigned_to(workshop, good) == (worker.worker.id if worker.worker else 0)


class Moody(Echo):
    """Fails in every way that a plugin can."""

    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        if metadata.get("moody"):
            raise RuntimeError("no mood")
        return super().can_run_on(metadata, demand)

    @classmethod
    def resolve(cls, data: EchoData, lookups: Lookups) -> dict[str, Any]:
        if not data.result:
            raise RuntimeError("no mood either")
        return {"strange": object()} if data.architecture == "amd64" else ["nonsense"]  # type: ignore[return-value]


async def test_a_task_that_fails_to_match_is_named_in_the_log_and_the_work_waits(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    await workshop.worker(moody=True)
    request = await workshop.request()

    await workshop.database.write(dispatcher({"echo": Moody}).assign_waiting_work)

    assert (await workshop.get(request.id)).status is Status.PENDING
    assert "The task echo" in caplog.text


@pytest.mark.parametrize("data", [{"result": False}, {"architecture": "amd64"}, {}])
async def test_a_task_that_fails_to_resolve_costs_its_own_work_request_only(
    workshop: Workshop, data: Mapping[str, Any]
) -> None:
    await workshop.worker()
    request = await workshop.request(**data)

    await workshop.database.write(dispatcher({"echo": Moody}).assign_waiting_work)

    after = await workshop.get(request.id)
    assert (after.status, after.result) == (Status.COMPLETED, Result.ERROR)


async def test_work_of_a_task_that_is_not_installed_any_more_waits(workshop: Workshop) -> None:
    await workshop.worker()
    request = await workshop.request()

    await workshop.database.write(dispatcher({}).assign_waiting_work)

    assert (await workshop.get(request.id)).status is Status.PENDING


class Sulking(Fifo):
    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        raise RuntimeError("no")


class Inventing(Fifo):
    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        return attrs.evolve(heads[0], id=heads[0].id + 1000)


class Waiting(Fifo):
    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        return None


@pytest.mark.parametrize("policy", [Sulking, Inventing, Waiting])
async def test_a_policy_that_does_not_choose_lets_the_work_wait(
    workshop: Workshop, policy: type[SchedulerPolicy[Any]]
) -> None:
    await workshop.worker()
    request = await workshop.request()

    await workshop.database.write(dispatcher(policy=policy(FifoOptions())).assign_waiting_work)

    assert await assigned_to(workshop, request) is None


class Curious(Fifo):
    seen: Usage
    heads: Sequence[QueueHead]

    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        type(self).seen, type(self).heads = Usage(running=dict(usage.running)), heads
        return super().choose(worker, heads, usage, at)


async def test_a_policy_is_told_what_each_workspace_uses_and_the_head_of_each_queue(workshop: Workshop) -> None:
    busy = await workshop.worker("busy")
    await workshop.request()
    await workshop.start(busy)
    await workshop.worker("idle")
    first = await workshop.request()
    await workshop.request()
    other = await workshop.request(architecture="amd64")

    await workshop.database.write(dispatcher(policy=Curious(FifoOptions())).assign_waiting_work)

    assert Curious.seen.running == {workshop.workspace.id: 1}
    assert {(head.id, head.demand.architecture) for head in Curious.heads} == {(first.id, None), (other.id, "amd64")}


async def test_a_pass_over_very_many_ends_early_and_says_so(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debusine.scheduler.dispatch.STEPS", 2)
    for number in range(3):
        await workshop.worker(f"builder{number}")
        await workshop.request()

    assert await workshop.database.write(dispatcher().assign_waiting_work)
    assert not await workshop.database.write(dispatcher().assign_waiting_work)


async def test_two_servers_that_assign_at_once_never_give_anything_twice(workshop: Workshop) -> None:
    keep_apart(workshop.database)
    workers = [await workshop.worker(f"builder{number}") for number in range(6)]
    requests = [await workshop.request() for _ in range(4)]
    schedulers = [dispatcher(), dispatcher()]

    for _ in range(5):
        await asyncio.gather(
            *(workshop.database.write(each.assign_waiting_work) for each in schedulers for _ in range(3))
        )

    taken = [await assigned_to(workshop, request) for request in requests]
    assert None not in taken
    assert len(set(taken)) == len(requests)
    assert set(taken) <= {each.worker.id for each in workers if each.worker}


def set_priority(uow: UnitOfWork, work_request: int, adjustment: int) -> None:
    before = uow.work_requests.get(work_request)
    uow.work_requests.save(attrs.evolve(before, priority_adjustment=adjustment), expecting=before)


def set_static_metadata(uow: UnitOfWork, worker: int, metadata: Mapping[str, Any]) -> None:
    before = uow.workers.get(worker)
    uow.workers.save(attrs.evolve(before, static_metadata=metadata), expecting=before)


def disable(uow: UnitOfWork, token: int) -> None:
    before = uow.tokens.get(token)
    uow.tokens.save(before.disable(), expecting=before)
