"""Figures: the state of the farm in numbers, for those who watch over it; cheap at any size."""

from collections import Counter
from collections.abc import Mapping

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.notifications import OutboxState
from debusine.domain.work_requests import Status


@frozen(kw_only=True)
class Figures:
    """What the database says at one moment."""

    #: How many there are in each state.
    work_requests: Mapping[Status, int]
    #: Task → how much waits for a worker.
    queues: Mapping[str, int]
    #: Seconds that the oldest of it has waited; 0: nothing waits.
    oldest: float
    uploads: int
    workers: int
    connected: int
    #: Of those that are connected.
    busy: int
    notifications: Mapping[OutboxState, int]


def figures(uow: UnitOfWork) -> Figures:
    """Count everything once; no statement reads more than an index."""
    queues = uow.counts.queues()
    first = min((queue.since for queue in queues), default=uow.now)
    lengths: Counter[str] = Counter()
    for queue in queues:
        lengths[queue.demand.task_name] += queue.count
    workers = uow.counts.workers()
    return Figures(
        work_requests=uow.counts.statuses(waiting=lengths.total()),
        queues=lengths,
        oldest=max(0.0, (uow.now - first).total_seconds()),
        uploads=uow.counts.uploads(),
        workers=len(workers),
        connected=sum(worker.connected for worker in workers),
        busy=sum(worker.connected and worker.busy for worker in workers),
        notifications=dict.fromkeys(OutboxState, 0) | dict(uow.outbox.count_by_state()),
    )
