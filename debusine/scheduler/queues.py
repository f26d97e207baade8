"""The queues of one pass: their heads, for whoever can run them, each replaced when it is taken."""

from collections.abc import Mapping, Sequence

from debusine.db.queues import Head
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand
from debusine.domain.workers import Worker
from debusine.plugin import QueueHead
from debusine.scheduler.matches import Matches


class Queues:
    """What waits for some workers, as one transaction sees it."""

    def __init__(self, uow: UnitOfWork, matches: Matches, workers: Sequence[Worker]) -> None:
        self._uow = uow
        self._demands = uow.queues.demands() if workers else {}
        self._runnable = {worker.id: matches.runnable(worker, self._demands) for worker in workers}
        wanted = frozenset[int]().union(*self._runnable.values())
        self._parsed: Mapping[int, Demand] = {id_: Demand.from_canonical(self._demands[id_]) for id_ in wanted}
        self._taken: dict[tuple[int, int], Head] = {}
        self._heads = {(head.demand, head.workspace): head for head in uow.queues.heads(sorted(wanted))}

    def __bool__(self) -> bool:
        return bool(self._heads)

    def for_worker(self, worker: Worker) -> Sequence[QueueHead]:
        """The heads of all queues whose demand the worker can run."""
        self._advance()
        runnable = self._runnable[worker.id]
        return [self._queue_head(head) for head in self._heads.values() if head.demand in runnable]

    def take(self, taken: QueueHead) -> None:
        """The head of a queue is gone: should anybody ask again, the next one stands there."""
        key = next(key for key, head in self._heads.items() if head.id == taken.id)
        self._taken[key] = self._heads.pop(key)

    def _advance(self) -> None:
        for key, taken in self._taken.items():
            following = self._uow.queues.next_head(*key)
            # The same one again is just being changed by somebody else; the next pass sees what came of it.
            if following is not None and following.id != taken.id:
                self._heads[key] = following
        self._taken = {}

    def _queue_head(self, head: Head) -> QueueHead:
        return QueueHead(
            id=head.id,
            priority=head.priority,
            created_at=head.created_at,
            workspace=head.workspace,
            demand=self._parsed[head.demand],
        )
