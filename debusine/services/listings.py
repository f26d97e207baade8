"""Listings: the work requests that somebody may see, page by page."""

from collections.abc import Callable, Sequence

from attrs import frozen

from debusine.converter.json import dumps
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.rights import Action
from debusine.domain.work_requests import WorkRequest
from debusine.protocol.cursors import Cursor
from debusine.services import rights
from debusine.services.work_requests import View, views

#: Rows that are read at a time: each may have some MiB.
STEP = 32


@frozen
class Page:
    """Some work requests of a list, newest first."""

    views: Sequence[View]
    #: Where the list goes on; None: nowhere.
    next: Cursor | None = None
    previous: Cursor | None = None


def page(uow: UnitOfWork, subject: Subject, cursor: Cursor | None, size: int, most: int) -> Page:
    """At most ``size`` work requests that the subject may see, newest first; fewer when they have ``most`` bytes."""
    rights.authorize(uow, subject, Action.READ_WORK_REQUEST)
    if cursor is not None and cursor.back:
        found, more = _walk(lambda last, limit: _newer(uow, cursor.last if last is None else last, limit), size, most)
        return _page(views(uow, found[::-1]), older=True, newer=more)
    first = cursor.last if cursor else None
    found, more = _walk(
        lambda last, limit: uow.work_requests.older(than=first if last is None else last, limit=limit), size, most
    )
    return _page(views(uow, found), older=more, newer=cursor is not None)


def _walk(
    read: Callable[[int | None, int], Sequence[WorkRequest]], size: int, most: int
) -> tuple[list[WorkRequest], bool]:
    """Read on behind the last one until there are enough; and whether the list goes on."""
    found: list[WorkRequest] = []
    weight = 0
    while True:
        # One more than wanted says whether the list goes on.
        limit = min(STEP, size + 1 - len(found))
        batch = read(found[-1].id if found else None, limit)
        for each in batch:
            weight += _weight(each)
            if len(found) == size or (found and weight > most):
                return found, True
            found.append(each)
        if len(batch) < limit:
            return found, False


def _newer(uow: UnitOfWork, than: int, limit: int) -> Sequence[WorkRequest]:
    return uow.work_requests.newer(than=than, limit=limit)[::-1]


def _weight(work_request: WorkRequest) -> int:
    """The bytes of what users and workers have put into a work request."""
    parts = (work_request.task_data, work_request.dynamic_task_data, work_request.output_data)
    return sum(len(dumps(part)) for part in (*parts, work_request.event_reactions))


def _page(shown: Sequence[View], *, older: bool, newer: bool) -> Page:
    if not shown:
        return Page(())
    return Page(
        shown,
        next=Cursor(shown[-1].work_request.id) if older else None,
        previous=Cursor(shown[0].work_request.id, back=True) if newer else None,
    )
