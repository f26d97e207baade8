"""Work requests: one unit of work each, and the attempts to do it.

    blocked ──► pending ──► running ──► completed
       │         │  ▲         │  │
       │         │  └─────────┘  │      given back, or its worker is lost; the third time it is completed with error
       └──► aborted ◄────────────┘

A pending work request may be assigned: a worker is reserved for it, which has not fetched it yet.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from debusine.domain.demands import TaskType
from debusine.domain.errors import Conflict, IllegalTransition
from debusine.domain.times import aware

#: A work request whose worker was lost this many times is completed with ``error``.
MAX_ATTEMPTS = 3

#: How far a priority may be moved from its base, up or down.
MAX_PRIORITY_ADJUSTMENT = 1_000_000

#: Codes of the errors that the server itself writes into ``output_data``.
LOST = "attempts-exhausted"
TIMED_OUT = "timeout"
UNRUNNABLE = "dynamic-data-failed"

#: Seconds that an attempt may run unless the submitter says otherwise, and the most that one may say.
DEFAULT_TIMEOUT = 21_600
MAX_TIMEOUT = 259_200

#: Bytes of each of an attempt's logs that a worker keeps.
LOG_LIMIT = 256 << 20


class Status(StrEnum):
    """Where a work request is in its life."""

    BLOCKED = "blocked"
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ABORTED = "aborted"


class Result(StrEnum):
    """How a work request ended; NONE while it has not."""

    NONE = ""
    SUCCESS = "success"
    #: The package failed.
    FAILURE = "failure"
    #: The machine failed.
    ERROR = "error"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    ABORTED = "aborted"
    #: The worker said, by asking for work, that it no longer does this.
    GIVEN_BACK = "given-back"
    #: The worker was silent for too long.
    LOST = "lost"
    TIMEOUT = "timeout"


class StaleAttempt(Conflict):
    """A worker speaks of an attempt that is no longer the current one."""

    def __init__(self, id_: int, attempt: int | None, current: int) -> None:
        super().__init__("stale attempt", detail=f"Work request {id_}: attempt {attempt} is over, {current} is current")


@frozen(kw_only=True)
class WorkRequest:
    """One unit of work; its methods return the next value or raise ``IllegalTransition``."""

    id: int
    workspace: int
    created_by: int
    created_at: datetime = field(validator=aware)
    task_type: TaskType = TaskType.WORKER
    task_name: str
    task_data: Mapping[str, Any]
    #: What the lookups of task_data became at the assignment.
    dynamic_task_data: Mapping[str, Any] | None = None
    #: The artifacts that the lookups returned at the assignment: what the worker may read.
    inputs: tuple[int, ...] = ()
    #: The demand's id.
    demand: int
    status: Status = Status.PENDING
    result: Result = Result.NONE
    worker: int | None = None
    assigned_at: datetime | None = field(default=None, validator=aware)
    started_at: datetime | None = field(default=None, validator=aware)
    completed_at: datetime | None = field(default=None, validator=aware)
    #: The number of the latest attempt; 0 before the first.
    attempt: int = 0
    priority_base: int = 0
    priority_adjustment: int = 0
    event_reactions: Mapping[str, Any] = field(factory=dict)
    workflow_data: Mapping[str, Any] = field(factory=dict)
    output_data: Mapping[str, Any] | None = None
    aborted_by: int | None = None
    supersedes: int | None = None
    #: Seconds that one attempt may run.
    timeout: int = DEFAULT_TIMEOUT

    @property
    def priority(self) -> int:
        """The effective priority, by which the queue is ordered."""
        return self.priority_base + self.priority_adjustment

    @property
    def finished(self) -> bool:
        """Whether nothing can change any more."""
        return self.status in {Status.COMPLETED, Status.ABORTED}

    @property
    def state(self) -> str:
        """Where it is in its life, in a few words."""
        return f"{self.status} with {self.result}" if self.result else self.status.value

    @property
    def retryable(self) -> bool:
        """Whether the same may be asked for again: it was aborted, or the package failed."""
        return self.status is Status.ABORTED or self.result is Result.FAILURE

    @property
    def unblocks_dependents(self) -> bool:
        """Whether those that wait for it may go on: it ended, however well; an aborted one holds them back."""
        return self.status is Status.COMPLETED

    @property
    def duration(self) -> float | None:
        """Seconds from the start of the last attempt to its end."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()

    def assign_worker(
        self, worker: int, *, at: datetime, dynamic_task_data: Mapping[str, Any], inputs: tuple[int, ...]
    ) -> "WorkRequest":
        """Reserve it for a worker; it stays pending until the worker fetches it."""
        self._must(self.worker is None and self.status is Status.PENDING, "assigned")
        return evolve(self, worker=worker, assigned_at=at, dynamic_task_data=dynamic_task_data, inputs=inputs)

    def unassign(self) -> "WorkRequest":
        """Take an assignment back that was not fetched."""
        self._must(self.worker is not None and self.status is Status.PENDING, "unassigned")
        return evolve(self, worker=None, assigned_at=None, dynamic_task_data=None, inputs=())

    def mark_running(self, *, at: datetime) -> "WorkRequest":
        """The assigned worker fetched it: the next attempt begins."""
        self._must(self.worker is not None and self.status is Status.PENDING, Status.RUNNING)
        return evolve(self, status=Status.RUNNING, started_at=at, attempt=self.attempt + 1)

    def mark_completed(
        self, result: Result, *, attempt: int, at: datetime, output_data: Mapping[str, Any] | None = None
    ) -> "WorkRequest":
        """The current attempt ended with a result."""
        self._must(result is not Result.NONE, Status.COMPLETED)
        self._must(self.status is Status.RUNNING, Status.COMPLETED)
        if attempt != self.attempt:
            raise StaleAttempt(self.id, attempt, self.attempt)
        return evolve(self, status=Status.COMPLETED, result=result, completed_at=at, output_data=output_data)

    def mark_unrunnable(self, reason: str, *, at: datetime) -> "WorkRequest":
        """It cannot even be handed out (its inputs are gone, say): completed with ``error`` without an attempt."""
        self._must(self.status is Status.PENDING and self.worker is None, Status.COMPLETED)
        error = output_error(UNRUNNABLE, reason)
        return evolve(self, status=Status.COMPLETED, result=Result.ERROR, completed_at=at, output_data=error)

    def mark_timed_out(self, *, at: datetime) -> "WorkRequest":
        """The current attempt has run for longer than it may, and its worker has not ended it."""
        error = output_error(TIMED_OUT, f"Attempt {self.attempt} did not end within {self.timeout} seconds")
        return self.mark_completed(Result.ERROR, attempt=self.attempt, at=at, output_data=error)

    def lose_attempt(self, *, at: datetime) -> "WorkRequest":
        """The attempt is over without a result: it waits again, unless that was one attempt too many."""
        if not self.attempts_exhausted:
            return self.give_back()
        error = output_error(LOST, f"All {self.attempt} attempts ended without a result: their workers were lost")
        return self.mark_completed(Result.ERROR, attempt=self.attempt, at=at, output_data=error)

    def give_back(self) -> "WorkRequest":
        """It waits again; the number of the attempt rises at the next ``mark_running``."""
        self._must(self.status is Status.RUNNING, Status.PENDING)
        return evolve(
            self,
            status=Status.PENDING,
            worker=None,
            assigned_at=None,
            started_at=None,
            dynamic_task_data=None,
            inputs=(),
        )

    @property
    def attempts_exhausted(self) -> bool:
        """Whether losing the current attempt is one loss too many."""
        return self.attempt >= MAX_ATTEMPTS

    def mark_aborted(self, *, at: datetime, by: int | None = None) -> "WorkRequest":
        """Somebody wants it no more."""
        self._must(not self.finished, Status.ABORTED)
        return evolve(self, status=Status.ABORTED, worker=None, assigned_at=None, completed_at=at, aborted_by=by)

    def adjust_priority(self, adjustment: int) -> "WorkRequest":
        """Move it forwards (above 0) or backwards among those that wait."""
        return evolve(self, priority_adjustment=adjustment)

    def unblock(self) -> "WorkRequest":
        """All that it waited for is done."""
        self._must(self.status is Status.BLOCKED, Status.PENDING)
        return evolve(self, status=Status.PENDING)

    def is_current(self, attempt: "Attempt") -> bool:
        """Whether results of this attempt count: it runs, and nothing newer does."""
        mine = (self.id, self.attempt, self.worker) == (attempt.work_request, attempt.number, attempt.worker)
        return mine and self.status is Status.RUNNING

    def _must(self, allowed: bool, wanted: str) -> None:
        if not allowed:
            raise IllegalTransition("Work request", self.id, self.status, wanted)


@frozen(kw_only=True)
class Attempt:
    """One hand-out of a work request to a worker."""

    id: int
    work_request: int
    #: 1, 2, 3 … within the work request.
    number: int
    worker: int
    started_at: datetime = field(validator=aware)
    ended_at: datetime | None = field(default=None, validator=aware)
    #: None while it runs.
    outcome: Outcome | None = None
    #: The artifacts that its worker may read.
    inputs: tuple[int, ...] = ()
    #: When its worker reported, or asked for other work; until then the worker is busy with it, however it ended.
    released_at: datetime | None = field(default=None, validator=aware)

    def end(self, outcome: Outcome, *, at: datetime) -> "Attempt":
        """What becomes of the work request no longer depends on it."""
        if self.outcome is not None:
            raise IllegalTransition("Attempt", self.id, self.outcome, outcome)
        return evolve(self, outcome=outcome, ended_at=at)

    def release(self, *, at: datetime) -> "Attempt":
        """Its worker says that it does nothing more for it."""
        return self if self.released_at is not None else evolve(self, released_at=at)


def output_error(code: str, message: str) -> dict[str, Any]:
    """What stands in ``output_data`` when the server ends a work request with ``error``."""
    return {"errors": [{"message": message, "code": code}]}
