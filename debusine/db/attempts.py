"""Attempts at work requests in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.repository import Repository
from debusine.domain.work_requests import Attempt

_attempts = tables.attempts

UNRELEASED = sa.text("attempts.released_at IS NULL")


class AttemptRepository(Repository[Attempt]):
    """Finds and keeps attempts."""

    table = tables.attempts
    noun = Attempt
    title = "attempt"
    guards = ("outcome",)

    def of_work_request(self, work_request: int) -> Sequence[Attempt]:
        """All attempts at a work request, by number."""
        statement = self._select().where(_attempts.c.work_request == work_request)
        return self._all(statement.order_by(_attempts.c.number))

    def numbered(self, work_request: int, number: int) -> Attempt | None:
        """One attempt at a work request."""
        return self._one_or_none(_NUMBERED, {"work_request": work_request, "number": number})

    def handed(self, work_request: int, worker: int) -> Attempt | None:
        """The last attempt at a work request that was handed to a worker; None: it never was."""
        return self._one_or_none(_HANDED, {"work_request": work_request, "worker": worker})

    def latest_of_worker(self, worker: int) -> Attempt | None:
        """The attempt that a worker was last handed, until it lets go of it; its rights are judged by this one.

        It lets go by reporting, or by asking for work without naming the attempt; an abort or a loss changes nothing.
        """
        return next(reversed(self.unreleased_of(worker)), None)

    def unreleased_of(self, worker: int) -> Sequence[Attempt]:
        """The attempts that a worker may still be busy with, oldest first."""
        return self._all(_UNRELEASED_OF, {"worker": worker})

    def over_and_unreleased_of(self, workers: Collection[int]) -> Sequence[Attempt]:
        """The attempts that have ended without some workers' knowledge: they may still be busy with them."""
        return [
            attempt for batch in batches(workers) for attempt in self._all(_OVER_AND_UNRELEASED_OF, {"workers": batch})
        ]

    def release(self, attempts: Collection[int], at: datetime) -> None:
        """Note that their worker does nothing more for some attempts."""
        for batch in batches(sorted(attempts)):
            released = sa.update(_attempts).where(UNRELEASED, _attempts.c.id.in_(batch)).values(released_at=at)
            self.connection.execute(released)


# Made once: to make a statement costs more than to run it.
_SELECT = sa.select(*AttemptRepository.columns)
_NUMBERED = _SELECT.where(
    _attempts.c.work_request == sa.bindparam("work_request"), _attempts.c.number == sa.bindparam("number")
)
_HANDED = (
    _SELECT.where(
        _attempts.c.work_request == sa.bindparam("work_request"), _attempts.c.worker == sa.bindparam("worker")
    )
    .order_by(_attempts.c.number.desc())
    .limit(1)
)
_OVER_AND_UNRELEASED_OF = _SELECT.where(
    UNRELEASED, _attempts.c.outcome.is_not(None), _attempts.c.worker.in_(sa.bindparam("workers", expanding=True))
).order_by(_attempts.c.id)
_UNRELEASED_OF = _SELECT.where(UNRELEASED, _attempts.c.worker == sa.bindparam("worker")).order_by(_attempts.c.id)
