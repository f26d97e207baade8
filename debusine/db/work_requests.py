"""Work requests in the database, and what belongs to them."""

import sqlalchemy as sa

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

    def latest_of_worker(self, worker: int) -> Attempt | None:
        """The attempt that a worker was last handed, by which its rights are judged."""
        theirs = sa.select(self.table).where(self.table.c.worker == worker)
        return self._one_or_none(theirs.order_by(self.table.c.id.desc()).limit(1))
