"""Attempts: a work request is handed to a worker, and its end is reported, or taken from it."""

from collections.abc import Collection
from datetime import datetime

from debusine.converter.structure import unstructure
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import NotAssigned
from debusine.domain.events import AssignmentTakenBack, WorkerChanged, WorkRequestStarted
from debusine.domain.rights import Action
from debusine.domain.work_requests import Attempt, Outcome, StaleAttempt, Status, WorkRequest
from debusine.domain.workers import Worker
from debusine.protocol.resources import CompletionReport
from debusine.services import endings, rights
from debusine.services.work_requests import View

#: (work request, attempt) pairs.
Running = Collection[tuple[int, int]]


class NeverHandedOut(NotAssigned):
    """A worker reports the end of something that it was never given."""

    def __init__(self, worker: Worker, work_request: int) -> None:
        super().__init__(f"Work request {work_request} was never handed to the worker {worker.name}")


def get_next(uow: UnitOfWork, subject: Subject, running: Running | None) -> View | None:
    """Hand a worker what is assigned to it; what it had and does not name as running it lets go of.

    ``None``: the worker is a foreign one, which asks only when it is idle.
    """
    worker = _worker(uow, subject, Action.BE_A_WORKER)
    let_go(uow, worker.id, running or ())
    assigned = uow.work_requests.assigned_to(worker.id)
    return None if assigned is None else View(_start(uow, worker, assigned[0]), assigned[1])


def complete(
    uow: UnitOfWork, subject: Subject, work_request: int, number: int | None, report: CompletionReport
) -> None:
    """Record how a work request ended, if that is still this worker's to say.

    A worker that names its attempt is told when it is stale. One that does not (a foreign one) could not be told:
    it is judged by the attempt that it was last handed, and a late or repeated report changes nothing.
    """
    worker = _worker(uow, subject, Action.COMPLETE_WORK_REQUEST)
    found = uow.work_requests.get(work_request, lock=True)
    attempt = uow.attempts.handed(work_request, worker.id)
    if attempt is None:
        raise NeverHandedOut(worker, work_request)
    if number in {None, attempt.number} and found.is_current(attempt):
        _complete(uow, found, attempt, report)
    elif number is None:
        _release(uow, [attempt])
    elif not _repeats(found, attempt, number, report):
        raise StaleAttempt(work_request, number, found.attempt)


def let_go(uow: UnitOfWork, worker: int, running: Running) -> None:
    """A worker says what it still runs: everything else that it was handed is given back, or merely over."""
    over = [
        attempt
        for attempt in uow.attempts.unreleased_of(worker)
        if (attempt.work_request, attempt.number) not in running
    ]
    for attempt in over:
        work_request = uow.work_requests.get(attempt.work_request, lock=True)
        if work_request.is_current(attempt):
            endings.lose(uow, work_request, attempt, Outcome.GIVEN_BACK)
    _release(uow, over)


def lose(uow: UnitOfWork, worker: int, connection: int) -> None:
    """Take everything from a worker that has not come back since its connection of this number ended."""
    found = uow.workers.get(worker, lock=True)
    if found.connected() or found.connection != connection:
        return
    for work_request in uow.work_requests.in_hand_of(worker):
        if work_request.status is Status.RUNNING:
            attempt = endings.current_attempt(uow, work_request)
            endings.lose(uow, work_request, attempt, Outcome.LOST)
        else:
            endings.make_pending(uow, work_request, work_request.unassign())


def time_out(uow: UnitOfWork, work_request: int, number: int) -> None:
    """Complete an attempt that its worker should have ended long ago."""
    found = uow.work_requests.get(work_request, lock=True)
    if found.status is not Status.RUNNING or found.attempt != number:
        return
    endings.end_attempt(uow, endings.current_attempt(uow, found), Outcome.TIMEOUT)
    endings.complete(uow, found, found.mark_timed_out(at=uow.now))


def take_back(uow: UnitOfWork, work_request: int, assigned_at: datetime) -> None:
    """Let another worker have what was assigned at this moment and never fetched."""
    found = uow.work_requests.get(work_request, lock=True)
    if found.status is Status.PENDING and found.worker is not None and found.assigned_at == assigned_at:
        endings.make_pending(uow, found, found.unassign())
        uow.publish(AssignmentTakenBack(found.id, found.worker))


def _worker(uow: UnitOfWork, subject: Subject, action: Action) -> Worker:
    rights.authorize(uow, subject, action)
    assert subject.worker is not None
    return subject.worker


def _start(uow: UnitOfWork, worker: Worker, work_request: WorkRequest) -> WorkRequest:
    started = work_request.mark_running(at=uow.now)
    uow.work_requests.save(started, expecting=work_request)
    uow.attempts.insert(
        work_request=started.id,
        number=started.attempt,
        worker=worker.id,
        started_at=uow.now,
        inputs=started.inputs,
    )
    uow.publish(WorkRequestStarted(started.id, worker.id, started.attempt, started.timeout))
    return started


def _complete(uow: UnitOfWork, work_request: WorkRequest, attempt: Attempt, report: CompletionReport) -> None:
    output = None if report.output_data is None else unstructure(report.output_data)
    after = work_request.mark_completed(
        report.result,
        attempt=attempt.number,
        at=uow.now,
        output_data=output and {key: value for key, value in output.items() if value is not None},
    )
    endings.end_attempt(uow, attempt, Outcome.COMPLETED)
    endings.complete(uow, work_request, after)


def _repeats(work_request: WorkRequest, attempt: Attempt, number: int, report: CompletionReport) -> bool:
    """Whether a report says again what is recorded already."""
    latest = attempt.number == number == work_request.attempt
    return latest and work_request.status is Status.COMPLETED and work_request.result is report.result


def _release(uow: UnitOfWork, attempts: Collection[Attempt]) -> None:
    held = [attempt for attempt in attempts if attempt.released_at is None]
    uow.attempts.release([attempt.id for attempt in held], at=uow.now)
    for worker in {attempt.worker for attempt in held}:
        uow.publish(WorkerChanged(worker))
