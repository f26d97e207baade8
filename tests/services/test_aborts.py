"""Aborts: what becomes of the work request, of its worker, and of those that depend on it."""

import pytest

from debusine.domain.events import AttemptEnded, Event
from debusine.domain.work_requests import Outcome, Result, Status, WorkRequest
from debusine.services import aborts
from debusine.services.aborts import CannotAbort
from debusine.services.explanations import explain
from debusine.services.rights import NotAllowed
from tests.services.test_races import block
from tests.work import TASKS, Workshop


async def abort(workshop: Workshop, work_request: WorkRequest) -> WorkRequest:
    return (await workshop.database.write(aborts.abort, workshop.user, work_request.id)).work_request


async def test_waiting_work_is_out_of_the_queue(workshop: Workshop) -> None:
    request = await workshop.request()
    await abort(workshop, request)
    await workshop.worker()
    await workshop.assign()

    after = await workshop.get(request.id)
    assert (after.status, after.result, after.worker) == (Status.ABORTED, Result.NONE, None)
    assert (after.completed_at, after.aborted_by) == (workshop.database.clock(), request.created_by)


async def test_assigned_work_is_not_fetched_and_its_worker_gets_other_work(workshop: Workshop) -> None:
    request, other = await workshop.request(), await workshop.request()
    worker = await workshop.worker()
    await workshop.assign()
    await abort(workshop, request)
    assert await workshop.fetch(worker) is None

    started = await workshop.start(worker)

    assert started.id == other.id


async def test_the_end_of_a_running_attempt_is_told(workshop: Workshop) -> None:
    await workshop.request()
    worker = await workshop.worker()
    started = await workshop.start(worker)
    told: list[Event] = []
    workshop.database.subscribe(told.extend)

    await abort(workshop, started)

    assert worker.worker is not None
    assert told == [AttemptEnded(started.id, worker.worker.id, 1, Outcome.ABORTED)]


async def test_a_worker_that_names_the_aborted_attempt_hears_that_it_is_stale_and_stays_busy(
    workshop: Workshop,
) -> None:
    request = await workshop.request()
    worker = await workshop.worker()
    started = await workshop.start(worker)
    await abort(workshop, started)
    other = await workshop.request()

    connection = await workshop.connect(worker, [(request.id, 1)])
    await workshop.assign()
    assert connection.stale == [(request.id, 1)]
    assert (await workshop.get(other.id)).worker is None

    await workshop.fetch(worker, [])  # it has ended what ran
    assert (await workshop.start(worker)).id == other.id


async def test_a_worker_that_names_what_it_rightly_runs_hears_nothing(workshop: Workshop) -> None:
    request = await workshop.request()
    worker = await workshop.worker()
    await workshop.start(worker)
    assert (await workshop.connect(worker, [(request.id, 1)])).stale == []


async def test_a_worker_that_names_nonsense_hears_that_it_is_stale(workshop: Workshop) -> None:
    await workshop.request()
    worker = await workshop.worker()
    await workshop.start(worker)
    named = [(1, 2), (1, 1), (2**60, 2**60)]
    assert (await workshop.connect(worker, named)).stale == [(1, 2), (2**60, 2**60)]


async def test_a_lost_attempt_is_stale_when_its_worker_returns(workshop: Workshop) -> None:
    request = await workshop.request()
    worker = await workshop.worker()
    await workshop.start(worker)
    await workshop.lose(worker)
    assert (await workshop.connect(worker, [(request.id, 1)])).stale == [(request.id, 1)]


async def test_blocked_work_can_be_aborted(workshop: Workshop) -> None:
    first = await workshop.request()
    dependent = await workshop.database.write(block, await workshop.request(), [first.id])
    assert (await abort(workshop, dependent)).status is Status.ABORTED
    assert (await workshop.get(first.id)).status is Status.PENDING


async def test_what_depends_on_an_aborted_one_stays_blocked_and_says_what_helps(workshop: Workshop) -> None:
    first, second = await workshop.request(), await workshop.request()
    dependent = await workshop.database.write(block, await workshop.request(), [first.id, second.id])
    await abort(workshop, first)

    assert (await workshop.get(dependent.id)).status is Status.BLOCKED
    explanation = await workshop.database.read(explain, workshop.user, TASKS, dependent.id)
    assert explanation.summary == (
        f"It waits for the work requests {first.id}, {second.id}; "
        f"{first.id} was aborted, so it goes on when that is retried"
    )


@pytest.mark.parametrize("result", [Result.SUCCESS, Result.FAILURE, Result.ERROR])
async def test_what_has_ended_stays_as_it_is(workshop: Workshop, result: Result) -> None:
    await workshop.request()
    worker = await workshop.worker()
    started = await workshop.start(worker)
    await workshop.complete(worker, started.id, result)
    before = await workshop.get(started.id)

    with pytest.raises(CannotAbort, match=f"is completed with {result}"):
        await abort(workshop, started)

    assert await workshop.get(started.id) == before


async def test_what_was_aborted_is_not_aborted_again(workshop: Workshop) -> None:
    request = await workshop.request()
    await abort(workshop, request)
    with pytest.raises(CannotAbort, match="is aborted"):
        await abort(workshop, request)


async def test_a_worker_may_not_abort_what_it_runs(workshop: Workshop) -> None:
    await workshop.request()
    worker = await workshop.worker()
    started = await workshop.start(worker)
    with pytest.raises(NotAllowed):
        await workshop.database.write(aborts.abort, worker, started.id)
