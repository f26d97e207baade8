"""Retries: a work request that was aborted or failed is asked for again, by a new one that takes its place."""

from collections.abc import Sequence
from typing import Any

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.demands import Demand
from debusine.domain.errors import Invalid
from debusine.domain.events import WorkRequestBecamePending
from debusine.domain.notifications import ReactionEvent
from debusine.domain.rights import Action
from debusine.domain.work_requests import Status, WorkRequest
from debusine.services import notifications, rights
from debusine.services.lookups import ArtifactLookups
from debusine.services.submissions import Tasks, check_lookups, find_task, structure_data
from debusine.services.work_requests import View, view, visible

TITLE = "Cannot retry work request"

#: What the new one has from the old one.
INHERITED = (
    "workspace",
    "created_by",
    "task_type",
    "task_name",
    "task_data",
    "priority_base",
    "priority_adjustment",
    "event_reactions",
    "workflow_data",
    "timeout",
)


class NotRetryable(Invalid):
    """A work request waits, runs, or ended in a way that no second try would change."""

    def __init__(self, work_request: WorkRequest) -> None:
        state = f"work request {work_request.id} is {work_request.state}"
        super().__init__(TITLE, detail=f"Only aborted or failed work requests can be retried; {state}")


class Superseded(Invalid):
    """A work request was retried already."""

    def __init__(self, old: int, new: int) -> None:
        super().__init__(TITLE, detail=f"Work request {old} was retried already; work request {new} supersedes it")


class DependenciesAborted(Invalid):
    """A work request would wait for ever."""

    def __init__(self, aborted: Sequence[int]) -> None:
        ids = ", ".join(map(str, aborted))
        super().__init__(TITLE, detail=f"It depends on aborted work requests; retry these first: {ids}")


class NotValidAnyMore(Invalid):
    """What was fine when a work request was submitted could not be submitted today."""

    def __init__(self, error: Invalid) -> None:
        reason = error.detail or error.title
        super().__init__(
            TITLE, detail=f"It could not be submitted today: {reason}", validation_errors=error.validation_errors
        )


def retry(uow: UnitOfWork, subject: Subject, tasks: Tasks, work_request: int) -> View:
    """Ask again for what a work request asked for; what depended on the old one depends on the new one now."""
    old = visible(uow, subject, work_request, lock=True)
    rights.authorize(uow, subject, Action.RETRY_WORK_REQUEST, old)
    _check_retryable(uow, old)
    demand = _check_task(uow, tasks, old)
    new = uow.work_requests.insert(
        **{name: getattr(old, name) for name in INHERITED},
        created_at=uow.now,
        demand=uow.queues.demand_id(demand),
        status=_status(uow, old),
        supersedes=old.id,
    )
    uow.work_requests.put_in_place(new.id, of=old.id)
    notifications.note(uow, ReactionEvent.ON_CREATION, new)
    if new.status is Status.PENDING:
        uow.publish(WorkRequestBecamePending(new.id, new.demand))
    return view(uow, new)


def _check_retryable(uow: UnitOfWork, old: WorkRequest) -> None:
    # The lock on the old row keeps a second retry waiting here until the first one is committed.
    newer = uow.work_requests.superseding([old.id]).get(old.id)
    if newer is not None:
        raise Superseded(old.id, newer)
    if not old.retryable:
        raise NotRetryable(old)


def _check_task(uow: UnitOfWork, tasks: Tasks, old: WorkRequest) -> Demand:
    """The demand of the task as it is installed now; the creator may see less than he did, and the data may be gone."""
    creator = Subject(user=uow.users.get(old.created_by))
    try:
        task = find_task(tasks, old.task_name)
        data: Any = structure_data(task, old.task_data)
        check_lookups(task, data, ArtifactLookups(uow, lambda: creator))
    except Invalid as error:
        raise NotValidAnyMore(error) from error
    return task.demand(data)


def _status(uow: UnitOfWork, old: WorkRequest) -> Status:
    dependencies = uow.work_requests.dependencies_of(old.id, lock=True)
    if aborted := [each.id for each in dependencies if each.status is Status.ABORTED]:
        raise DependenciesAborted(aborted)
    unfinished = any(not each.unblocks_dependents for each in dependencies)
    return Status.BLOCKED if unfinished else Status.PENDING
