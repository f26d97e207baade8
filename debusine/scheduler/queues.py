"""The queues of one pass: their heads, for whoever can run them, each replaced when it is taken."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from debusine.db.queues import Head
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.demands import Demand
from debusine.domain.workers import Worker
from debusine.plugin import QueueHead
from debusine.scheduler.matches import Matches

#: The ids of its demand and of its workspace.
Queue: TypeAlias = tuple[int, int]


class Queues:
    """What waits for some workers, as one transaction sees it."""

    def __init__(self, uow: UnitOfWork, matches: Matches, workers: Sequence[Worker]) -> None:
        self._uow = uow
        self._demands = uow.queues.demands() if workers else {}
        self._runnable = {worker.id: matches.runnable(worker, self._demands) for worker in workers}
        wanted = frozenset[int]().union(*self._runnable.values())
        self._parsed: Mapping[int, Demand] = {id_: Demand.from_canonical(self._demands[id_]) for id_ in wanted}
        #: Queue → what stands first in it; and what stood there and was taken.
        self._heads: dict[Queue, QueueHead] = {}
        self._taken: dict[Queue, QueueHead] = {}
        #: Work request → the queue of which it is the head.
        self._queues: dict[int, Queue] = {}
        for head in uow.queues.heads(sorted(wanted)):
            self._put(head)

    def __bool__(self) -> bool:
        return bool(self._heads)

    def for_worker(self, worker: Worker) -> Sequence[QueueHead]:
        """The heads of all queues whose demand the worker can run."""
        self._advance()
        runnable = self._runnable[worker.id]
        return [head for (demand, _), head in self._heads.items() if demand in runnable]

    def take(self, taken: QueueHead) -> None:
        """The head of a queue is gone: should anybody ask again, the next one stands there."""
        queue = self._queues[taken.id]
        self._taken[queue] = self._heads.pop(queue)

    def _advance(self) -> None:
        for queue, taken in self._taken.items():
            following = self._uow.queues.next_head(*queue)
            # The same one again is just being changed by somebody else; the next pass sees what came of it.
            if following is not None and following.id != taken.id:
                self._put(following)
        self._taken = {}

    def _put(self, head: Head) -> None:
        queue = head.demand, head.workspace
        self._queues[head.id] = queue
        self._heads[queue] = QueueHead(
            id=head.id,
            priority=head.priority,
            created_at=head.created_at,
            workspace=head.workspace,
            demand=self._parsed[head.demand],
        )
