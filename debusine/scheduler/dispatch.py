"""One pass of the scheduler: every idle worker gets the work that the policy chooses for it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from attrs import Factory, define, frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.events import WorkRequestAssigned
from debusine.domain.notifications import ReactionEvent
from debusine.domain.work_requests import WorkRequest
from debusine.domain.workers import Worker
from debusine.plugin import QueueHead, SchedulerPolicy, Usage
from debusine.scheduler.matches import Matches
from debusine.scheduler.queues import Queues
from debusine.services import endings, notifications
from debusine.services.lookups import ArtifactLookups
from debusine.services.resolving import Unrunnable, resolve
from debusine.services.submissions import Tasks

logger = logging.getLogger(__name__)

#: Work requests that one transaction takes in hand, at most: it keeps others from writing meanwhile.
STEPS = 64


@frozen
class Dispatcher:
    """What a pass needs: the tasks, the policy, and what is known of who can run what."""

    tasks: Tasks
    policy: SchedulerPolicy[Any]
    matches: Matches
    #: Workers that did not fetch what they had: they come last, until they show themselves.
    sluggish: set[int] = Factory(set)

    def assign_waiting_work(self, uow: UnitOfWork) -> bool:
        """Make one pass; True: it ended early, and another one is worth while at once."""
        workers = uow.workers.waiting_for_work_request(at=uow.now)
        queues = Queues(uow, self.matches, workers)
        if not queues:
            return False
        # Only now: a pass that finds nothing to assign must not write, or each would cost a commit.
        workers = sorted(uow.workers.keep_waiting(workers, at=uow.now), key=lambda worker: worker.id in self.sluggish)
        usage = Usage(running=AskedLate(uow.work_requests.running_by_workspace))
        return Pass(self, uow, queues, usage).run(workers)


class AskedLate(Mapping[int, int]):
    """Numbers that are counted only for a policy that looks at them."""

    def __init__(self, count: Callable[[], Mapping[int, int]]) -> None:
        self._count = count

    @cached_property
    def _numbers(self) -> Mapping[int, int]:
        return self._count()

    def __getitem__(self, key: int) -> int:
        return self._numbers[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@define
class Pass:
    """A pass that is under way."""

    dispatcher: Dispatcher
    uow: UnitOfWork
    queues: Queues
    usage: Usage
    steps: int = 0

    def run(self, workers: Sequence[Worker]) -> bool:
        """Serve the workers in turn; True: there was more to do than one transaction may."""
        for worker in workers:
            while (chosen := self._choose(worker)) is not None:
                if self.steps == STEPS:
                    return True
                self.steps += 1
                assigned = self._take(chosen, worker)
                self.queues.take(chosen)
                if assigned:
                    break
        return False

    def _choose(self, worker: Worker) -> QueueHead | None:
        heads = self.queues.for_worker(worker)
        if not heads:
            return None
        policy = self.dispatcher.policy
        try:
            chosen = policy.choose(worker, heads, self.usage, self.uow.now)
        except Exception:
            logger.exception("The scheduler policy %s failed; the worker %s waits", policy.name, worker.name)
            return None
        if chosen is not None and chosen not in heads:
            logger.error("The scheduler policy %s chose what it was not offered: %r", policy.name, chosen)
            return None
        return chosen

    def _take(self, head: QueueHead, worker: Worker) -> bool:
        """Reserve a work request for a worker; False: it is gone, or cannot be run by anybody."""
        work_request = self.uow.work_requests.waiting(head.id)
        if work_request is None:
            return False
        try:
            assigned = self._assigned(work_request, worker)
        except Unrunnable as error:
            endings.complete(self.uow, work_request, work_request.mark_unrunnable(str(error), at=self.uow.now))
            return False
        self.uow.work_requests.save(assigned, expecting=work_request)
        notifications.note(self.uow, ReactionEvent.ON_ASSIGNMENT, assigned)
        self.uow.publish(WorkRequestAssigned(work_request.id, worker.id))
        return True

    def _assigned(self, work_request: WorkRequest, worker: Worker) -> WorkRequest:
        lookups = ArtifactLookups(self.uow, lambda: Subject(user=self.uow.users.get(work_request.created_by)))
        dynamic = resolve(self.dispatcher.tasks, work_request, lookups)
        return work_request.assign_worker(worker.id, at=self.uow.now, dynamic_task_data=dynamic, inputs=lookups.inputs)
