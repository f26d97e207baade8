"""The queues of one pass: their heads, for whoever can run them, each replaced when it is taken."""

from collections.abc import Iterator, Mapping, Sequence
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
        #: So many are read at a time of what stands behind a head: a worker takes one, as a rule.
        self._some = len(workers)
        #: Queue → what stands first in it, and what stands behind that; the queues from which the first was taken.
        self._heads: dict[Queue, QueueHead] = {}
        self._behind: dict[Queue, Iterator[Head]] = {}
        self._taken: list[Queue] = []
        #: Work request → the queue of which it is the head.
        self._queues: dict[int, Queue] = {}
        for head in uow.queues.heads(sorted(wanted)):
            self._behind[_queue(head)] = self._read_behind(head)
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
        queue = self._queues.pop(taken.id)
        del self._heads[queue]
        self._taken.append(queue)

    def _advance(self) -> None:
        for queue in self._taken:
            if (following := next(self._behind[queue], None)) is not None:
                self._put(following)
        self._taken.clear()

    def _read_behind(self, head: Head) -> Iterator[Head]:
        """What stands behind a head, read when it is asked for."""
        while True:
            following = self._uow.queues.behind(head, self._some)
            yield from following
            if len(following) < self._some:
                return
            head = following[-1]

    def _put(self, head: Head) -> None:
        queue = _queue(head)
        self._queues[head.id] = queue
        self._heads[queue] = QueueHead(
            id=head.id,
            priority=head.priority,
            created_at=head.created_at,
            workspace=head.workspace,
            demand=self._parsed[head.demand],
        )


def _queue(head: Head) -> Queue:
    return head.demand, head.workspace
