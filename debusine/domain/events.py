"""Events: what has happened, told after the commit and only then."""

from datetime import datetime

from attrs import frozen

from debusine.domain.work_requests import Outcome, Result, WorkRequest


@frozen
class Event:
    """Something that has happened and is on disk."""


@frozen
class WorkRequestBecamePending(Event):
    """A work request waits for a worker: it was created, unblocked, unassigned, given back, or has a new place."""

    work_request: int
    demand: int


@frozen
class WorkRequestAssigned(Event):
    """A work request was reserved for a worker, which should fetch it."""

    work_request: int
    worker: int


@frozen
class AssignmentTakenBack(Event):
    """A worker did not fetch what it was told of; somebody else may have it."""

    work_request: int
    worker: int


@frozen
class WorkRequestStarted(Event):
    """A worker fetched a work request: an attempt runs."""

    work_request: int
    worker: int
    attempt: int
    timeout: int


@frozen
class WorkRequestCompleted(Event):
    """A work request ended with a result."""

    work_request: int
    workspace: int
    worker: int | None
    attempt: int
    result: Result
    completed_at: datetime

    @classmethod
    def of(cls, work_request: WorkRequest) -> "WorkRequestCompleted":
        """Tell of a completed work request."""
        assert work_request.completed_at is not None
        return cls(
            work_request.id,
            work_request.workspace,
            work_request.worker,
            work_request.attempt,
            work_request.result,
            work_request.completed_at,
        )


@frozen
class AttemptEnded(Event):
    """A worker has nothing to do any more with the attempt that it was handed."""

    work_request: int
    worker: int
    attempt: int
    outcome: Outcome


@frozen
class WorkerChanged(Event):
    """A worker connected, told new facts, or was enabled: it may take work."""

    worker: int


@frozen
class WorkerDisconnected(Event):
    """A worker's newest socket closed; the worker is lost unless it comes back soon."""

    worker: int
    connection: int


@frozen
class TokenDisabled(Event):
    """A token opens nothing any more; sockets that it opened must close."""

    token: int
    hash: str


@frozen
class NotificationQueued(Event):
    """Somebody is to be told of a work request."""

    work_request: int


@frozen
class ChangedElsewhere(Event):
    """Another server on the same database has committed something: look at the rows, they are the truth."""
