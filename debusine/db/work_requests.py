"""Work requests in the database, and what belongs to them."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.work_requests import Attempt, WorkRequest


class WorkRequestRepository(Repository[WorkRequest]):
    """Finds and keeps work requests."""

    table = tables.work_requests
    noun = WorkRequest
    title = "work request"
    guards = ("status", "attempt", "worker")


class AttemptRepository(Repository[Attempt]):
    """Finds and keeps attempts."""

    table = tables.attempts
    noun = Attempt
    title = "attempt"
    guards = ("outcome",)
