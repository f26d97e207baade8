"""Priorities: who waits longer than others, and who may say so."""

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import PermissionDenied
from debusine.domain.events import WorkRequestBecamePending
from debusine.domain.rights import Action
from debusine.domain.work_requests import Status, WorkRequest
from debusine.services import rights
from debusine.services.work_requests import View, view, visible


class PriorityNotPermitted(PermissionDenied):
    """Somebody wants to move a work request further than he may."""

    def __init__(self, subject: Subject, adjustment: int) -> None:
        detail = "Superusers may set any; who created the work request may set 0 and below"
        if adjustment > 0 and subject.user is not None:
            name = subject.user.username
            detail += f". The operator makes you one with: debusine-admin user set {name} --superuser"
        super().__init__("You are not permitted to set priority adjustments", detail=detail)


def adjust(uow: UnitOfWork, subject: Subject, work_request: int, adjustment: int) -> View:
    """Move a work request forwards or backwards among those that wait."""
    before = visible(uow, subject, work_request, lock=True)
    _authorize(uow, subject, before, adjustment)
    after = before.adjust_priority(adjustment)
    uow.work_requests.save(after, expecting=before)
    if after.status is Status.PENDING and after.worker is None:
        # A pass of the scheduler that met the lock has left it out.
        uow.publish(WorkRequestBecamePending(after.id, after.demand))
    return view(uow, after)


def _authorize(uow: UnitOfWork, subject: Subject, work_request: WorkRequest, adjustment: int) -> None:
    action = Action.RAISE_PRIORITY if adjustment > 0 else Action.LOWER_PRIORITY
    try:
        rights.authorize(uow, subject, action, work_request)
    except rights.NotAllowed as error:
        raise PriorityNotPermitted(subject, adjustment) from error
