"""Histories: what became of a work request so far, for people."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.work_requests import Attempt, Status, WorkRequest
from debusine.services.explanations import explain
from debusine.services.submissions import Tasks
from debusine.services.work_requests import View, view, visible

WAITING = {Status.BLOCKED, Status.PENDING}


@frozen(kw_only=True)
class Try:
    """An attempt, as people want to know of it."""

    number: int
    #: The worker's name; None: the reader may not know.
    worker: str | None
    started_at: datetime
    ended_at: datetime | None
    #: In a few words.
    state: str


@frozen(kw_only=True)
class History:
    """A work request with what led to its present state."""

    view: View
    #: Why it waits; None: it does not.
    waits: str | None
    #: The name of the user who aborted it; None: nobody, or the reader may not know.
    aborted_by: str | None
    tries: Sequence[Try]


def history(uow: UnitOfWork, subject: Subject, tasks: Tasks, work_request: int) -> History:
    """What became of a work request so far, in a constant number of statements.

    Who is nobody's user hears no name of a worker or a user.
    """
    found = visible(uow, subject, work_request)
    attempts = uow.attempts.of_work_request(found.id)
    trusted = subject.user is not None
    names = uow.workers.names({attempt.worker for attempt in attempts}) if trusted else {}
    return History(
        view=view(uow, found),
        waits=explain(uow, subject, tasks, found.id).summary if found.status in WAITING else None,
        aborted_by=uow.users.get(found.aborted_by).username if trusted and found.aborted_by else None,
        tries=[_try(found, attempt, names.get(attempt.worker)) for attempt in attempts],
    )


def _try(work_request: WorkRequest, attempt: Attempt, worker: str | None) -> Try:
    return Try(
        number=attempt.number,
        worker=worker,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        state=_state(work_request, attempt),
    )


def _state(work_request: WorkRequest, attempt: Attempt) -> str:
    if attempt.outcome is None:
        return "running"
    told = work_request.result.value if attempt.number == work_request.attempt and work_request.result else ""
    ended = f"{attempt.outcome}: {told}" if told else attempt.outcome.value
    return ended if attempt.released_at is not None else f"{ended} (its worker has not said yet that it has stopped)"
