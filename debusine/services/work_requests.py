"""Work requests: submitted, shown, listed."""

from collections.abc import Sequence

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.db.work_requests import Surroundings
from debusine.domain.accounts import Subject
from debusine.domain.errors import NotAuthenticated
from debusine.domain.events import WorkRequestBecamePending
from debusine.domain.notifications import ReactionEvent
from debusine.domain.rights import Action
from debusine.domain.work_requests import WorkRequest
from debusine.domain.workspaces import Workspace
from debusine.plugin import Task
from debusine.protocol.resources import WorkRequestSubmission
from debusine.services import event_reactions, notifications, rights, workspaces
from debusine.services.lookups import ArtifactLookups
from debusine.services.notification_methods import NO_METHODS, Methods
from debusine.services.submissions import Tasks, check_lookups, find_task, structure_data


@frozen
class View:
    """A work request with what its representation needs beside it."""

    work_request: WorkRequest
    #: The workspace's name.
    workspace: str
    artifacts: Sequence[int] = ()
    #: The work request by which it was tried again.
    superseded_by: int | None = None


def create(
    uow: UnitOfWork,
    subject: Subject,
    tasks: Tasks,
    submission: WorkRequestSubmission,
    *,
    methods: Methods = NO_METHODS,
) -> View:
    """Take a work request in, after every check that can be made now."""
    workspace = workspaces.named(uow, subject, submission.workspace)
    rights.authorize(uow, subject, Action.CREATE_WORK_REQUEST, workspace)
    task = find_task(tasks, submission.task_name)
    data = structure_data(task, submission.task_data)
    event_reactions.check(uow, submission.event_reactions, methods)
    check_lookups(task, data, ArtifactLookups(uow, lambda: subject))
    created = _insert(uow, subject, task, data, workspace, submission)
    notifications.note(uow, ReactionEvent.ON_CREATION, created)
    uow.publish(WorkRequestBecamePending(created.id, created.demand))
    return View(created, workspace.name)


def get(uow: UnitOfWork, subject: Subject, work_request: int) -> View:
    """One work request; not found also when the subject may not see it."""
    return view(uow, visible(uow, subject, work_request))


def visible(uow: UnitOfWork, subject: Subject, work_request: int, *, lock: bool = False) -> WorkRequest:
    """A work request that the subject may see, else the error of what is not there; ``lock`` as in ``get``."""
    found = uow.work_requests.get_or_none(work_request, lock=lock)
    if found is None:
        raise rights.Hidden("work request", work_request)
    rights.authorize(uow, subject, Action.READ_WORK_REQUEST, found)
    return found


def view(uow: UnitOfWork, work_request: WorkRequest) -> View:
    """What the representation of one work request needs."""
    return views(uow, [work_request])[0]


def views(uow: UnitOfWork, work_requests: Sequence[WorkRequest]) -> Sequence[View]:
    """What representations need, in one statement."""
    beside = uow.work_requests.surroundings([work_request.id for work_request in work_requests])
    return [_view(found, beside[found.id]) for found in work_requests]


def _view(found: WorkRequest, beside: Surroundings) -> View:
    return View(found, beside.workspace, beside.artifacts, beside.superseded_by)


def _insert(
    uow: UnitOfWork,
    subject: Subject,
    task: type[Task[object]],
    data: object,
    workspace: Workspace,
    submission: WorkRequestSubmission,
) -> WorkRequest:
    if subject.user is None:
        raise NotAuthenticated("Only users submit work requests")
    return uow.work_requests.insert(
        workspace=workspace.id,
        created_by=subject.user.id,
        created_at=uow.now,
        task_type=task.task_type,
        task_name=task.name,
        task_data=submission.task_data,
        demand=uow.queues.demand_id(task.demand(data)),
        event_reactions=submission.event_reactions,
        timeout=submission.timeout,
    )
