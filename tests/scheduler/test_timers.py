"""The timers: who is away for too long loses his work, and nobody loses it earlier."""

import pytest

from debusine.config import Limits
from debusine.domain.accounts import Subject
from debusine.domain.work_requests import Outcome, Result, Status
from debusine.scheduler.timers import Timers
from debusine.services import attempts, workers
from tests.work import Workshop


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timers(workshop: Workshop, clock: Clock) -> Timers:
    """Timers of a server that has been up for a while."""
    made = Timers(workshop.database, Limits(), clock)
    await made.sweep()
    return made


async def running(workshop: Workshop) -> tuple[Subject, int]:
    worker = await workshop.worker()
    await workshop.request()
    return worker, (await workshop.start(worker)).id


async def later(workshop: Workshop, clock: Clock, seconds: float) -> None:
    clock.now += seconds
    await workshop.advance(seconds)


async def test_a_worker_that_is_not_back_after_twenty_seconds_is_lost(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    worker, request = await running(workshop)
    await workshop.disconnect(worker)

    await later(workshop, clock, 19.9)
    await timers.sweep()
    assert (await workshop.get(request)).status is Status.RUNNING
    await later(workshop, clock, 0.2)
    await timers.sweep()

    assert (await workshop.get(request)).status is Status.PENDING
    assert [attempt.outcome for attempt in await workshop.attempts(request)] == [Outcome.LOST]


async def test_a_worker_that_comes_back_and_goes_again_has_its_time_anew(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    worker, request = await running(workshop)
    await workshop.disconnect(worker)
    await later(workshop, clock, 19)
    await workshop.connect(worker)
    await workshop.disconnect(worker)

    await later(workshop, clock, 19)
    await timers.sweep()
    assert (await workshop.get(request)).status is Status.RUNNING
    await later(workshop, clock, 1)
    await timers.sweep()

    assert (await workshop.get(request)).status is Status.PENDING


async def test_a_timer_that_fires_while_the_worker_comes_back_on_another_server_does_nothing(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    worker, request = await running(workshop)
    connection = await workshop.disconnect(worker)
    await workshop.connect(worker)
    await workshop.disconnect(worker)

    assert worker.worker is not None
    await workshop.database.write(attempts.lose, worker.worker.id, connection)

    assert (await workshop.get(request)).status is Status.RUNNING


async def test_an_assignment_of_a_lost_worker_waits_for_another(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    worker = await workshop.worker()
    request = await workshop.request()
    await workshop.assign()
    await workshop.disconnect(worker)

    await later(workshop, clock, 20)
    await timers.sweep()

    after = await workshop.get(request.id)
    assert (after.status, after.worker, after.attempt) == (Status.PENDING, None, 0)


async def test_after_a_start_workers_have_thirty_seconds_to_come_back(workshop: Workshop, clock: Clock) -> None:
    worker, request = await running(workshop)
    await workshop.database.write(workers.forget_connections, [workshop.server])
    timers = Timers(workshop.database, Limits(), clock)
    await timers.sweep()

    await later(workshop, clock, 29)
    await timers.sweep()
    assert (await workshop.get(request)).status is Status.RUNNING
    await later(workshop, clock, 1)
    await timers.sweep()

    assert (await workshop.get(request)).status is Status.PENDING
    assert worker.worker is not None


async def test_a_worker_that_returns_after_a_restart_goes_on_with_its_attempt(workshop: Workshop, clock: Clock) -> None:
    worker, request = await running(workshop)
    await workshop.database.write(workers.forget_connections, [workshop.server])
    timers = Timers(workshop.database, Limits(), clock)
    await timers.sweep()
    await later(workshop, clock, 15)

    await workshop.connect(worker, running=[(request, 1)])
    await later(workshop, clock, 60)
    await timers.sweep()
    await workshop.complete(worker, request, attempt=1)

    after = await workshop.get(request)
    assert (after.status, after.result, after.attempt) == (Status.COMPLETED, Result.SUCCESS, 1)


async def test_the_workers_of_a_dead_server_are_lost_by_the_timers_of_any_other(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    _, request = await running(workshop)
    await workshop.database.write(workers.forget_connections, [workshop.server])
    await timers.sweep()  # this one did not hold the socket, so it first sees now that the worker is away

    await later(workshop, clock, 20)
    await timers.sweep()

    assert (await workshop.get(request)).status is Status.PENDING


async def test_an_assignment_that_is_not_fetched_in_thirty_seconds_is_taken_back(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    await workshop.worker()
    request = await workshop.request()
    await workshop.assign()
    await timers.sweep()

    await later(workshop, clock, 29)
    await timers.sweep()
    assert (await workshop.get(request.id)).worker is not None
    await later(workshop, clock, 1)
    await timers.sweep()

    assert (await workshop.get(request.id)).worker is None


async def test_an_attempt_that_runs_a_minute_too_long_is_completed_with_error(
    workshop: Workshop, timers: Timers, clock: Clock
) -> None:
    worker, request = await running(workshop)
    log = await workshop.artifact(created_by=None, created_by_work_request=request, created_by_attempt=1)
    await later(workshop, clock, 21_600 + 59)
    await timers.sweep()
    assert (await workshop.get(request)).status is Status.RUNNING

    await later(workshop, clock, 1)
    await timers.sweep()

    after = await workshop.get(request)
    assert (after.status, after.result) == (Status.COMPLETED, Result.ERROR)
    assert after.output_data is not None
    assert after.output_data["errors"][0]["code"] == "timeout"
    assert [attempt.outcome for attempt in await workshop.attempts(request)] == [Outcome.TIMEOUT]
    beside = await workshop.database.read(lambda uow: uow.work_requests.surroundings([request]))
    assert beside[request].artifacts == [log.id]
    # The worker may still be at it: it gets nothing new before it reports.
    await workshop.request()
    await workshop.assign()
    assert (await workshop.get(request + 1)).worker is None
    await workshop.complete(worker, request)
    await workshop.assign()
    assert (await workshop.get(request + 1)).worker is not None
