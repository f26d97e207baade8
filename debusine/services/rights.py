"""Rights: the one place that decides who may do what; rules may change here, call sites need not."""

from collections.abc import Set
from typing import TypeAlias

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject, User
from debusine.domain.artifacts import Artifact
from debusine.domain.errors import NotAuthenticated, NotFound, PermissionDenied
from debusine.domain.rights import Action
from debusine.domain.work_requests import Attempt, WorkRequest
from debusine.domain.workers import Worker
from debusine.domain.workspaces import Workspace, WorkspaceNotFound

#: What an action is done to; None: to the farm, or to a list of things.
Target: TypeAlias = Workspace | Artifact | WorkRequest | None

READING = frozenset({Action.READ_WORKSPACE, Action.READ_ARTIFACT, Action.READ_WORK_REQUEST})
#: What somebody unknown may at least ask for: public workspaces answer.
OPEN = READING | {Action.ANYBODY}
#: What somebody unknown may do in a public workspace.
PUBLIC = READING | {Action.WATCH_WORK_REQUESTS}
WORKERS_OWN = frozenset({Action.BE_A_WORKER, Action.COMPLETE_WORK_REQUEST})
#: What a worker may do to what it made in its attempt.
WRITING = frozenset({Action.CREATE_ARTIFACT, Action.UPLOAD_FILE, Action.RELATE_ARTIFACTS})
SUPERUSERS = frozenset({Action.ADMINISTER, Action.RAISE_PRIORITY})
#: What other users may not do to a work request than the one who asked for it.
CREATORS = frozenset({Action.LOWER_PRIORITY})


class NoCredentials(NotAuthenticated):
    """Nobody known asks for what only somebody known may do."""

    def __init__(self) -> None:
        super().__init__(
            "Authentication is needed",
            detail="Send the key of an enabled token in the header Token; the operator makes one",
        )


class BadCredentials(NotAuthenticated):
    """A key came with the request, and it opens nothing."""

    def __init__(self) -> None:
        super().__init__(
            "The token is invalid or disabled",
            detail="Its key is unknown, or the operator has disabled it, or it has expired",
        )


class NotAllowed(PermissionDenied):
    """The subject may not do this, though it may know of the thing."""

    def __init__(self, subject: Subject, action: Action) -> None:
        super().__init__(f"{subject} may not {action.replace('-', ' ')}")


class Hidden(NotFound):
    """There is no such thing, or not for this subject: both are answered alike."""

    def __init__(self, what: str, id_: int) -> None:
        super().__init__(f"There is no {what} {id_}")


def authorize(uow: UnitOfWork, subject: Subject, action: Action, target: Target = None) -> None:
    """Return when the subject may do it; else the error of ``hidden`` when it may not even see the target.

    Else ``NoCredentials`` or ``NotAllowed``. Without a target it is decided for the kind of thing: lists, creations.
    """
    if action is Action.ANYBODY:
        return
    if subject.user is not None:
        _authorize_user(subject, subject.user, action, target)
    elif subject.worker is not None:
        _authorize_worker(uow, subject, subject.worker, action, target)
    else:
        _authorize_anonymous(uow, action, target)


def may(uow: UnitOfWork, subject: Subject, action: Action, target: Target = None) -> bool:
    """Whether ``authorize`` would let it pass."""
    try:
        authorize(uow, subject, action, target)
    except (NotAuthenticated, NotFound, PermissionDenied):
        return False
    return True


def readable(uow: UnitOfWork, subject: Subject, artifacts: Set[int]) -> Set[int]:
    """Those of these artifacts that ``READ_ARTIFACT`` would allow, for lists: in a constant number of statements."""
    if subject.user is not None:
        return artifacts
    found = uow.artifacts.with_ids(artifacts)
    if subject.worker is None:
        public = _public(uow)
        return {artifact.id for artifact in found if artifact.workspace in public}
    attempt = uow.attempts.latest_of_worker(subject.worker.id)
    return {artifact.id for artifact in found if attempt is not None and _readable(uow, attempt, artifact)}


def watchable(uow: UnitOfWork, subject: Subject) -> Set[int] | None:
    """The workspaces for which ``WATCH_WORK_REQUESTS`` is allowed, for lists; None: all of them."""
    if subject.user is not None:
        return None
    return _public(uow) if subject.worker is None else frozenset()


def hidden(target: Workspace | Artifact | WorkRequest) -> NotFound:
    """The error for what a subject may not see: the same as for what is not there."""
    if isinstance(target, Workspace):
        return WorkspaceNotFound(target.name)
    return Hidden("artifact" if isinstance(target, Artifact) else "work request", target.id)


def _authorize_user(subject: Subject, user: User, action: Action, target: Target) -> None:
    if action in WORKERS_OWN:
        raise NotAllowed(subject, action)
    if user.is_superuser:
        return
    of_somebody_else = isinstance(target, WorkRequest) and target.created_by != user.id
    if action in SUPERUSERS or (action in CREATORS and of_somebody_else):
        raise NotAllowed(subject, action)


def _public(uow: UnitOfWork) -> Set[int]:
    return {workspace.id for workspace in uow.workspaces.all() if workspace.public}


def _authorize_anonymous(uow: UnitOfWork, action: Action, target: Target) -> None:
    if target is None:
        raise NoCredentials
    workspace = target if isinstance(target, Workspace) else uow.workspaces.get(target.workspace)
    if not workspace.public:
        raise hidden(target)
    if action not in PUBLIC:
        raise NoCredentials


def _authorize_worker(uow: UnitOfWork, subject: Subject, worker: Worker, action: Action, target: Target) -> None:
    if action in WORKERS_OWN:
        return
    attempt = uow.attempts.latest_of_worker(worker.id)
    if target is None or attempt is None:
        raise NotAllowed(subject, action) if target is None else hidden(target)
    if _its_own(attempt, target) and action in READING | WRITING:
        return
    if not _readable(uow, attempt, target):
        raise hidden(target)
    if action not in READING:
        raise NotAllowed(subject, action)


def _its_own(attempt: Attempt, target: Target) -> bool:
    """Whether it is the attempt's work request, or an artifact that was made in the attempt."""
    if isinstance(target, WorkRequest):
        return target.id == attempt.work_request
    made_in = (attempt.work_request, attempt.number)
    return isinstance(target, Artifact) and (target.created_by_work_request, target.created_by_attempt) == made_in


def _readable(uow: UnitOfWork, attempt: Attempt, target: Target) -> bool:
    """Whether a worker may at least see it: its own, its attempt's inputs, the workspace it works in."""
    if isinstance(target, Artifact) and target.id in attempt.inputs:
        return True
    if isinstance(target, Workspace):
        return uow.work_requests.get(attempt.work_request).workspace == target.id
    return _its_own(attempt, target)
