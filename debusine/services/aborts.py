"""Aborts: somebody says that a work request is not wanted any more."""

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Invalid
from debusine.domain.rights import Action
from debusine.domain.work_requests import WorkRequest
from debusine.services import endings, rights
from debusine.services.work_requests import View, view, visible


class CannotAbort(Invalid):
    """A work request has ended before somebody could abort it."""

    def __init__(self, work_request: WorkRequest) -> None:
        state = f"work request {work_request.id} is {work_request.state}"
        super().__init__("Cannot abort work request", detail=f"It has ended: {state}")


def abort(uow: UnitOfWork, subject: Subject, work_request: int) -> View:
    """Take a work request out of the queue, or from its worker; those that depend on it stay blocked."""
    # Locked: a result that comes at the same time is before or after this, and both sides learn which.
    found = visible(uow, subject, work_request, lock=True)
    rights.authorize(uow, subject, Action.ABORT_WORK_REQUEST, found)
    if found.finished:
        raise CannotAbort(found)
    return view(uow, endings.abort(uow, found, by=subject.user.id if subject.user else None))
