"""One pass of the scheduler: every idle worker gets the work that the policy chooses for it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

from attrs import Factory, frozen

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


#: What a policy has chosen for a worker.
Choice: TypeAlias = tuple[Worker, QueueHead]


@frozen
class Pass:
    """A pass that is under way."""

    dispatcher: Dispatcher
    uow: UnitOfWork
    queues: Queues
    usage: Usage

    def run(self, workers: Sequence[Worker]) -> bool:
        """Serve the workers; True: there was more to do than one transaction may."""
        left = STEPS
        while choices := list(islice(self._choose_for(workers), left + 1)):
            served = self._assign(choices[:left])
            left -= len(choices)
            if left < 0:
                return True
            workers = [worker for worker, _ in choices if worker.id not in served]
        return False

    def _choose_for(self, workers: Sequence[Worker]) -> Iterator[Choice]:
        """What each of some workers is to have, of what those before it left."""
        for worker in workers:
            if (chosen := self._choose(worker)) is not None:
                self.queues.take(chosen)
                yield worker, chosen

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

    def _assign(self, choices: Sequence[Choice]) -> Set[int]:
        """Reserve work requests for workers; returns the workers that have one now.

        The others' choices are gone, or cannot be run by anybody.
        """
        waiting = self.uow.work_requests.waiting([head.id for _, head in choices])
        found = [(waiting[head.id], worker) for worker, head in choices if head.id in waiting]
        changes = [(before, after) for before, worker in found if (after := self._assigned(before, worker)) is not None]
        self.uow.work_requests.save_all(changes)
        return {self._tell(after) for _, after in changes}

    def _assigned(self, work_request: WorkRequest, worker: Worker) -> WorkRequest | None:
        lookups = ArtifactLookups(self.uow, lambda: Subject(user=self.uow.users.get(work_request.created_by)))
        try:
            dynamic = resolve(self.dispatcher.tasks, work_request, lookups)
        except Unrunnable as error:
            endings.complete(self.uow, work_request, work_request.mark_unrunnable(str(error), at=self.uow.now))
            return None
        return work_request.assign_worker(worker.id, at=self.uow.now, dynamic_task_data=dynamic, inputs=lookups.inputs)

    def _tell(self, assigned: WorkRequest) -> int:
        assert assigned.worker is not None
        notifications.note(self.uow, ReactionEvent.ON_ASSIGNMENT, assigned)
        self.uow.publish(WorkRequestAssigned(assigned.id, assigned.worker))
        return assigned.worker
