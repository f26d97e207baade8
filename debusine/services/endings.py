"""Endings: all that belongs to the end of an attempt or of a work request, in the transaction that ends it."""

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import AttemptEnded, WorkerChanged, WorkRequestBecamePending, WorkRequestCompleted
from debusine.domain.notifications import ReactionEvent
from debusine.domain.work_requests import Attempt, Outcome, Status, WorkRequest
from debusine.services import notifications


def complete(uow: UnitOfWork, before: WorkRequest, after: WorkRequest) -> None:
    """Record a result: what the last attempt made is attached, and those that waited for it go on."""
    after = evolve(after, completed_at=uow.completions.moment(uow.now))
    uow.work_requests.save(after, expecting=before)
    if after.attempt:
        uow.artifacts.attach(after.id, after.attempt)
    if after.unblocks_dependents:
        _unblock_dependents(uow, after)
    notifications.note_ending(uow, after)
    uow.publish(WorkRequestCompleted.of(after))


def lose(uow: UnitOfWork, work_request: WorkRequest, attempt: Attempt, outcome: Outcome) -> None:
    """Take a running work request from its worker: it waits again, or that was the last of its attempts."""
    end_attempt(uow, attempt, outcome)
    after = work_request.lose_attempt(at=uow.now)
    if after.finished:
        complete(uow, work_request, after)
    else:
        make_pending(uow, work_request, after)


def abort(uow: UnitOfWork, work_request: WorkRequest, *, by: int | None) -> WorkRequest:
    """Record that nobody wants it any more; a worker that runs it stays busy until it says otherwise."""
    after = work_request.mark_aborted(at=uow.now, by=by)
    uow.work_requests.save(after, expecting=work_request)
    if work_request.status is Status.RUNNING:
        end_attempt(uow, current_attempt(uow, work_request), Outcome.ABORTED)
    elif work_request.worker is not None:
        uow.publish(WorkerChanged(work_request.worker))
    return after


def make_pending(uow: UnitOfWork, before: WorkRequest, after: WorkRequest) -> None:
    """Record that a work request waits for a worker, and tell the scheduler."""
    uow.work_requests.save(after, expecting=before)
    uow.publish(WorkRequestBecamePending(after.id, after.demand))


def end_attempt(uow: UnitOfWork, attempt: Attempt, outcome: Outcome) -> None:
    """Record what became of an attempt; one that its worker completed is let go of."""
    ended = attempt.end(outcome, at=uow.now)
    uow.attempts.save(ended.release(at=uow.now) if outcome is Outcome.COMPLETED else ended, expecting=attempt)
    uow.publish(AttemptEnded(attempt.work_request, attempt.worker, attempt.number, outcome))


def current_attempt(uow: UnitOfWork, work_request: WorkRequest) -> Attempt:
    """The attempt that runs."""
    attempt = uow.attempts.numbered(work_request.id, work_request.attempt)
    assert attempt is not None
    return attempt


def _unblock_dependents(uow: UnitOfWork, work_request: WorkRequest) -> None:
    for dependent in uow.work_requests.unblockable(work_request.id):
        after = dependent.unblock()
        make_pending(uow, dependent, after)
        notifications.note(uow, ReactionEvent.ON_UNBLOCK, after)
