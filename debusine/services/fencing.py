"""Fencing: a worker that speaks of an attempt is heard only while that attempt is the current one."""

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.work_requests import StaleAttempt


def fence(uow: UnitOfWork, subject: Subject, work_request: int | None, attempt: int | None) -> None:
    """Raise ``StaleAttempt`` when a worker writes for another attempt than the current one, which must be its own.

    Without a number (a user, a foreign worker) there is nothing to compare; ``authorize`` decides then.
    """
    if subject.worker is None or work_request is None or attempt is None:
        return
    handed = uow.attempts.handed(work_request, subject.worker.id)
    if handed is None:
        return  # never its own: authorize() hides what there is
    request = uow.work_requests.get(work_request)
    if handed.number != attempt or not request.is_current(handed):
        raise StaleAttempt(work_request, attempt, request.attempt)
