"""Completions: the ends of work requests in the one order in which everybody hears of them."""

from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import field, frozen

from debusine.domain.times import aware
from debusine.domain.work_requests import Result

#: The smallest step of the databases' clocks: by so much at least one completion is later than all before it.
TICK = timedelta(microseconds=1)

#: Larger than every id.
LAST_ID = 2**63 - 1

#: The results of which watchers hear; nobody waits for what was skipped.
TOLD = frozenset({Result.SUCCESS, Result.FAILURE, Result.ERROR})

#: How far somebody has heard: a moment, and a work request of those that were completed then.
Place: TypeAlias = tuple[datetime, int]


@frozen(kw_only=True)
class Completion:
    """A work request has ended with a result."""

    work_request: int
    workspace: int
    completed_at: datetime = field(validator=aware)
    result: Result

    @property
    def place(self) -> Place:
        """Where it stands in the order."""
        return (self.completed_at, self.work_request)


def after_all_at(moment: datetime) -> Place:
    """The place behind everything that was completed at a moment or before."""
    return (moment, LAST_ID)


def before_all_at(moment: datetime) -> Place:
    """The place before everything that was completed at a moment or later."""
    return (moment, 0)
