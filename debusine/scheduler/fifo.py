"""First in, first out: the policy that everybody understands."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from debusine.domain.workers import Worker
from debusine.plugin.scheduler import QueueHead, SchedulerPolicy, Usage


@frozen(kw_only=True)
class FifoOptions:
    """There is nothing to set."""


class Fifo(SchedulerPolicy[FifoOptions]):
    """Gives a worker what has the highest priority, and of equal ones what waits longest."""

    name = "fifo"
    Options = FifoOptions

    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        """Pick the head of the highest priority, then the oldest; ids settle what was created at one moment."""
        return min(heads, key=_turn, default=None)


def _turn(head: QueueHead) -> tuple[int, datetime, int]:
    return (-head.priority, head.created_at, head.id)
