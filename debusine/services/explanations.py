"""Explanations: why a work request waits, from the rules by which it is scheduled."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.demands import Demand
from debusine.domain.rights import Action
from debusine.domain.work_requests import Status, WorkRequest
from debusine.domain.workers import Worker
from debusine.protocol.explanations import Explanation, Obstacles
from debusine.services import rights
from debusine.services.matching import verdict
from debusine.services.submissions import Tasks


def explain(uow: UnitOfWork, subject: Subject, tasks: Tasks, work_request: int) -> Explanation:
    """Why a work request waits, worker by worker, in a constant number of statements.

    Who is nobody's user hears nothing of the workers.
    """
    found = uow.work_requests.get_or_none(work_request)
    if found is None:
        raise rights.Hidden("work request", work_request)
    rights.authorize(uow, subject, Action.READ_WORK_REQUEST, found)
    if found.status is Status.BLOCKED:
        return Explanation(summary=_blocked(uow, subject, uow.work_requests.dependencies_of(found.id)))
    if found.status is not Status.PENDING:
        return Explanation(summary=f"It does not wait: it is {found.status}")
    if found.worker is not None:
        return Explanation(
            summary="It is reserved for a worker, which will fetch it", workers=_holder(uow, subject, found)
        )
    explanation = _unassigned(uow, tasks, found)
    return explanation if subject.user is not None else evolve(explanation, workers=[])


def _holder(uow: UnitOfWork, subject: Subject, work_request: WorkRequest) -> list[Obstacles]:
    if subject.user is None or work_request.worker is None:
        return []
    return [Obstacles(worker=uow.workers.get(work_request.worker).name)]


def _blocked(uow: UnitOfWork, subject: Subject, dependencies: Sequence[WorkRequest]) -> str:
    seen = rights.watchable(uow, subject)
    named = [each for each in dependencies if seen is None or each.workspace in seen]
    open_ = sum(not each.unblocks_dependents for each in dependencies)
    aborted = ", ".join(str(each.id) for each in named if each.status is Status.ABORTED)
    hint = f"; {aborted} was aborted, so it goes on when that is retried" if aborted else ""
    return f"It waits for {_waits_for([each.id for each in named if not each.unblocks_dependents], open_)}{hint}"


def _waits_for(named: Sequence[int], open_: int) -> str:
    """The work requests that the reader may know of, and how many there are beside them."""
    more = open_ - len(named)
    if not named:
        return f"{more} work request{'' if more == 1 else 's'} that you may not see"
    return f"the work requests {', '.join(map(str, named))}{f' and {more} more' if more else ''}"


def _unassigned(uow: UnitOfWork, tasks: Tasks, work_request: WorkRequest) -> Explanation:
    demand = uow.queues.demand(work_request.demand)
    workers = uow.workers.all()
    admitted = uow.workers.admitted([worker.id for worker in workers], at=uow.now)
    idle = {worker.id for worker in uow.workers.waiting_for_work_request(at=uow.now)}
    obstacles = [
        Obstacles(worker=worker.name, reasons=[*_state(worker, admitted, idle), *_verdict(tasks, worker, demand)])
        for worker in workers
    ]
    capable = any(worker.connected() and not _verdict(tasks, worker, demand) for worker in workers)
    return Explanation(summary=_summary(obstacles, demand, capable=capable), workers=obstacles)


def _state(worker: Worker, admitted: Mapping[int, int], idle: Collection[int]) -> Iterator[str]:
    if worker.id not in admitted:
        yield "its token is disabled"
    elif not worker.connected():
        yield "it is not connected"
    elif worker.id not in idle:
        yield "it is busy"


def _verdict(tasks: Tasks, worker: Worker, demand: Demand) -> Sequence[str]:
    return verdict(tasks, worker.metadata(), demand).reasons


def _summary(obstacles: Sequence[Obstacles], demand: Demand, *, capable: bool) -> str:
    if not obstacles:
        return "There is no worker"
    if not capable:
        return f"No connected worker can run {demand.task_name}"
    if any(not each.reasons for each in obstacles):
        return "A worker is free for it; it will be assigned in a moment, or more urgent work goes first"
    return "No worker can take it now"
