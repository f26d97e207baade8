"""Attempts: handed out one after the other, and only the current one's result counts."""

import pytest

from debusine.domain.work_requests import Outcome, Result, StaleAttempt, Status
from debusine.services.attempts import NeverHandedOut
from tests.work import Workshop


async def test_a_fetched_work_request_runs_in_its_first_attempt(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()

    fetched = await workshop.start(worker)

    assert fetched.id == created.id
    assert (fetched.status, fetched.attempt) == (Status.RUNNING, 1)
    assert fetched.dynamic_task_data == {"input_id": None, "others_ids": []}
    assert await workshop.get(created.id) == fetched
    (attempt,) = await workshop.attempts(created.id)
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, fetched.worker, None)


async def test_an_idle_worker_without_an_assignment_gets_nothing(workshop: Workshop) -> None:
    worker = await workshop.worker()

    assert await workshop.fetch(worker) is None


async def test_a_foreign_worker_that_asks_again_gives_back_what_it_ran(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()
    await workshop.start(worker)

    assert await workshop.fetch(worker) is None

    after = await workshop.get(created.id)
    assert (after.status, after.worker, after.attempt, after.started_at) == (Status.PENDING, None, 1, None)
    (attempt,) = await workshop.attempts(created.id)
    assert attempt.outcome is Outcome.GIVEN_BACK
    assert (await workshop.start(worker)).attempt == 2


async def test_a_worker_that_names_what_it_runs_keeps_it(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)

    assert await workshop.fetch(worker, running=[(started, 1)]) is None

    assert (await workshop.get(started)).status is Status.RUNNING


async def test_a_worker_that_names_an_older_attempt_gives_the_running_one_back(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)

    await workshop.fetch(worker, running=[(started, 7), (started + 1, 1)])

    assert (await workshop.get(started)).status is Status.PENDING


async def test_the_third_lost_attempt_ends_the_work_request_with_error(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()
    for number in (1, 2, 3):
        assert (await workshop.start(worker)).attempt == number
        await workshop.fetch(worker)

    after = await workshop.get(created.id)
    assert (after.status, after.result, after.attempt) == (Status.COMPLETED, Result.ERROR, 3)
    assert after.output_data is not None
    assert after.output_data["errors"][0]["code"] == "attempts-exhausted"
    assert [attempt.outcome for attempt in await workshop.attempts(created.id)] == [Outcome.GIVEN_BACK] * 3
    await workshop.assign()
    assert await workshop.fetch(worker) is None


async def test_a_report_completes_the_current_attempt(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)
    await workshop.advance(seconds=5)

    await workshop.complete(worker, started, Result.FAILURE, attempt=1)

    after = await workshop.get(started)
    assert (after.status, after.result, after.duration) == (Status.COMPLETED, Result.FAILURE, 5)
    (attempt,) = await workshop.attempts(started)
    assert attempt.outcome is Outcome.COMPLETED
    assert attempt.released_at is not None


async def test_the_same_report_again_is_answered_alike_and_another_one_is_stale(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)
    await workshop.complete(worker, started, attempt=1)
    before = await workshop.get(started)

    await workshop.complete(worker, started, attempt=1)
    with pytest.raises(StaleAttempt):
        await workshop.complete(worker, started, Result.FAILURE, attempt=1)

    assert await workshop.get(started) == before


async def test_a_foreign_worker_may_repeat_itself_or_contradict_itself_and_changes_nothing(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)
    await workshop.complete(worker, started)
    before = await workshop.get(started)

    await workshop.complete(worker, started)
    await workshop.complete(worker, started, Result.ERROR)

    assert await workshop.get(started) == before


async def test_a_result_of_an_attempt_that_was_lost_is_stale(workshop: Workshop) -> None:
    slow, quick = await workshop.worker("slow"), await workshop.worker("quick")
    started = await _started(workshop, slow)
    await workshop.lose(slow)
    assert (await workshop.start(quick)).attempt == 2

    with pytest.raises(StaleAttempt):
        await workshop.complete(slow, started, Result.FAILURE, attempt=1)
    await workshop.complete(slow, started, Result.FAILURE)  # as a foreign worker would: no error, no effect

    after = await workshop.get(started)
    assert (after.status, after.attempt, after.worker) == (Status.RUNNING, 2, quick.worker.id if quick.worker else 0)


async def test_a_worker_cannot_report_for_an_attempt_that_another_one_runs(workshop: Workshop) -> None:
    slow, quick = await workshop.worker("slow"), await workshop.worker("quick")
    started = await _started(workshop, slow)
    await workshop.lose(slow)
    await workshop.start(quick)

    with pytest.raises(StaleAttempt):
        await workshop.complete(slow, started, attempt=2)


async def test_a_worker_may_not_report_on_what_it_was_never_handed(workshop: Workshop) -> None:
    worker, other = await workshop.worker("one"), await workshop.worker("two", connected=False)
    started = await _started(workshop, worker)

    for attempt in (None, 1):
        with pytest.raises(NeverHandedOut):
            await workshop.complete(other, started, attempt=attempt)


async def test_what_an_attempt_made_is_attached_when_it_is_completed(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)
    stale = await workshop.artifact(created_by=None, created_by_work_request=started, created_by_attempt=1)
    await workshop.fetch(worker)
    await workshop.start(worker)
    current = await workshop.artifact(created_by=None, created_by_work_request=started, created_by_attempt=2)

    await workshop.complete(worker, started)

    beside = (await workshop.database.read(lambda uow: uow.work_requests.surroundings([started])))[started]
    assert beside.artifacts == [current.id]
    assert stale.id not in beside.artifacts


async def test_a_worker_is_busy_with_a_lost_attempt_until_it_says_otherwise(workshop: Workshop) -> None:
    worker = await workshop.worker()
    started = await _started(workshop, worker)
    await workshop.lose(worker)

    connection = await workshop.connect(worker)
    await workshop.assign()

    assert connection.work_available
    assert (await workshop.get(started)).worker is None
    await workshop.complete(worker, started)
    assert (await workshop.start(worker)).attempt == 2


async def _started(workshop: Workshop, worker: object) -> int:
    await workshop.request()
    return (await workshop.start(worker)).id  # type: ignore[arg-type]
