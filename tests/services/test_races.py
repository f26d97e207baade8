"""Races: of two who change one work request at the same time exactly one wins, and both learn which."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from debusine.db.repository import Overtaken
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict
from debusine.domain.work_requests import Outcome, Result, StaleAttempt, Status, WorkRequest
from debusine.services import aborts
from debusine.services.aborts import CannotAbort
from tests.interleaving import keep_apart
from tests.work import Workshop

ROUNDS = 8


@pytest.fixture(autouse=True)
def _transactions_meet(workshop: Workshop) -> None:
    keep_apart(workshop.database)


async def running(workshop: Workshop) -> tuple[Subject, WorkRequest]:
    worker = await workshop.worker()
    await workshop.request()
    return worker, await workshop.start(worker)


async def save_late(workshop: Workshop, read: WorkRequest, change: Callable[[WorkRequest], WorkRequest]) -> None:
    """Write a change of a work request as it was read a while ago."""
    await workshop.database.write(lambda uow: uow.work_requests.save(change(read), expecting=read))


async def test_a_result_read_before_a_new_attempt_began_is_not_written_after_it(workshop: Workshop) -> None:
    worker, first = await running(workshop)
    await workshop.fetch(worker)
    second = await workshop.start(worker)  # the same status and the same worker: only the number tells

    with pytest.raises(Overtaken):
        await save_late(
            workshop, first, lambda read: read.mark_completed(Result.SUCCESS, attempt=1, at=read.created_at)
        )

    assert await workshop.get(first.id) == second


async def test_an_assignment_read_before_another_one_is_not_fetched_after_it(workshop: Workshop) -> None:
    one = await workshop.worker("one")
    request = await workshop.request()
    await workshop.assign()
    assigned = await workshop.get(request.id)
    await workshop.lose(one)
    await workshop.worker("two")
    await workshop.assign()
    other = await workshop.get(request.id)  # pending as before, and the same number: only the worker tells

    with pytest.raises(Overtaken):
        await save_late(workshop, assigned, lambda read: read.mark_running(at=read.created_at))

    assert await workshop.get(request.id) == other


async def test_two_claims_of_one_work_request_are_one(workshop: Workshop) -> None:
    request = await workshop.request()
    one, two = await workshop.worker("one"), await workshop.worker("two")
    assert one.worker is not None
    assert two.worker is not None

    def claim(worker: int) -> Callable[[WorkRequest], WorkRequest]:
        return lambda read: read.assign_worker(worker, at=read.created_at, dynamic_task_data={}, inputs=())

    results = await asyncio.gather(
        save_late(workshop, request, claim(one.worker.id)),
        save_late(workshop, request, claim(two.worker.id)),
        return_exceptions=True,
    )

    assert [type(result) for result in results].count(type(None)) == 1
    assert [type(result) for result in results].count(Overtaken) == 1


async def test_of_a_report_and_a_loss_one_wins(workshop: Workshop) -> None:
    for number in range(ROUNDS):
        worker = await workshop.worker(f"builder{number}")
        await workshop.request()
        started = await workshop.start(worker)
        report = workshop.complete(worker, started.id, attempt=1)

        results = await asyncio.gather(report, workshop.lose(worker), return_exceptions=True)

        after = await workshop.get(started.id)
        (attempt,) = await workshop.attempts(started.id)
        if isinstance(results[0], StaleAttempt):
            assert (after.status, attempt.outcome) == (Status.PENDING, Outcome.LOST)
            await workshop.database.write(abort, workshop.user, started.id)
        else:
            assert list(results) == [None, None]
            assert (after.status, attempt.outcome) == (Status.COMPLETED, Outcome.COMPLETED)


async def test_of_a_report_and_an_abort_one_wins_and_both_learn_which(workshop: Workshop) -> None:
    for number in range(ROUNDS):
        worker = await workshop.worker(f"builder{number}")
        await workshop.request()
        started = await workshop.start(worker)
        report = workshop.complete(worker, started.id, attempt=1)
        aborting = workshop.database.write(abort, workshop.user, started.id)

        results: list[Any] = await asyncio.gather(*_turned(number, report, aborting), return_exceptions=True)
        reported, aborted = results if number % 2 else results[::-1]

        after = await workshop.get(started.id)
        if after.status is Status.COMPLETED:
            assert (reported, type(aborted)) == (None, CannotAbort)
        else:
            assert after.status is Status.ABORTED
            assert isinstance(reported, StaleAttempt)
            assert not isinstance(aborted, Exception)
        await workshop.disconnect(worker)  # the next round is another worker's


async def test_a_foreign_worker_that_finishes_what_was_aborted_is_answered_and_changes_nothing(
    workshop: Workshop,
) -> None:
    worker, started = await running(workshop)
    await workshop.database.write(abort, workshop.user, started.id)
    aborted = await workshop.get(started.id)

    await workshop.request()
    await workshop.assign()  # it is busy until it reports
    assert (await workshop.get(started.id + 1)).worker is None
    await workshop.complete(worker, started.id)

    assert await workshop.get(started.id) == aborted
    assert (aborted.status, aborted.result, aborted.worker) == (Status.ABORTED, Result.NONE, None)
    assert aborted.aborted_by == (workshop.user.user.id if workshop.user.user else None)
    await workshop.assign()
    assert (await workshop.get(started.id + 1)).worker is not None


async def test_what_has_ended_cannot_be_aborted(workshop: Workshop) -> None:
    worker, started = await running(workshop)
    await workshop.complete(worker, started.id)

    with pytest.raises(CannotAbort):
        await workshop.database.write(abort, workshop.user, started.id)


async def test_of_two_fetches_of_one_worker_at_once_the_attempts_stay_in_order(workshop: Workshop) -> None:
    worker = await workshop.worker()
    request = await workshop.request()
    await workshop.assign()

    results = await asyncio.gather(*(workshop.fetch(worker) for _ in range(4)), return_exceptions=True)

    assert not [result for result in results if isinstance(result, BaseException) and not isinstance(result, Conflict)]
    attempts = await workshop.attempts(request.id)
    assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
    after = await workshop.get(request.id)
    unfinished = [attempt for attempt in attempts if attempt.outcome is None]
    assert len(unfinished) == (1 if after.status is Status.RUNNING else 0)


async def test_dependents_wait_for_all_and_go_on_once(workshop: Workshop) -> None:
    workers = [await workshop.worker("one"), await workshop.worker("two")]
    first, second = await workshop.request(), await workshop.request()
    dependent = await workshop.database.write(block, await workshop.request(), [first.id, second.id])
    await workshop.assign()
    started = [await workshop.fetch(worker) for worker in workers]

    await asyncio.gather(
        *(workshop.complete(worker, each.id) for worker, each in zip(workers, started, strict=True) if each)
    )

    assert (await workshop.get(dependent.id)).status is Status.PENDING


async def test_a_dependent_of_something_unfinished_or_aborted_stays_blocked(workshop: Workshop) -> None:
    worker = await workshop.worker()
    first, second = await workshop.request(), await workshop.request()
    dependent = await workshop.database.write(block, await workshop.request(), [first.id, second.id])
    await workshop.start(worker)
    await workshop.complete(worker, first.id, Result.FAILURE)
    assert (await workshop.get(dependent.id)).status is Status.BLOCKED

    await workshop.database.write(abort, workshop.user, second.id)

    assert (await workshop.get(dependent.id)).status is Status.BLOCKED


def abort(uow: UnitOfWork, user: Subject, work_request: int) -> WorkRequest:
    return aborts.abort(uow, user, work_request).work_request


def block(uow: UnitOfWork, work_request: WorkRequest, dependencies: list[int]) -> WorkRequest:
    blocked = evolve(work_request, status=Status.BLOCKED)
    uow.work_requests.save(blocked, expecting=work_request)
    for dependency in dependencies:
        uow.work_requests.add_dependency(work_request.id, dependency)
    return blocked


def _turned(number: int, *pair: Any) -> Any:
    return pair if number % 2 else pair[::-1]
