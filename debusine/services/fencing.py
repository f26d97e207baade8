"""Fencing: a worker that speaks of an attempt is heard only while that attempt is the current one."""

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.work_requests import StaleAttempt


def fence(uow: UnitOfWork, subject: Subject, work_request: int | None, attempt: int | None) -> None:
    """Raise ``StaleAttempt`` when a worker writes for an attempt of its own that is over.

    Without a number (a user, a foreign worker) there is nothing to compare; ``authorize`` decides then.
    """
    if subject.worker is None or work_request is None or attempt is None:
        return
    claimed = uow.attempts.numbered(work_request, attempt)
    if claimed is None or claimed.worker != subject.worker.id:
        return  # never its own: authorize() hides what there is
    request = uow.work_requests.get(work_request)
    if not request.is_current(claimed):
        raise StaleAttempt(work_request, attempt, request.attempt)
