"""The state of the farm in numbers, and who is asking."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from debusine.db.counts import Quantity, WorkerFacts
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.demands import TaskType
from debusine.domain.work_requests import Status
from debusine.protocol.resources import Caller, ConnectedWorkers, ServiceStatus, UnfinishedTasks, WorkerNumbers

#: The kinds of workers that there are always numbers of.
WORKER_TYPES = ("celery", "external", "signing")

#: Where tasks are counted that run on workers of any architecture.
ANY_ARCHITECTURE = "any"


def service_status(uow: UnitOfWork) -> ServiceStatus:
    """How much waits and runs, and how many workers there are for it."""
    unfinished, workers = uow.counts.unfinished(), uow.counts.workers()
    of_workers = [each for each in unfinished if each.demand.task_type is TaskType.WORKER]
    external = [worker for worker in workers if worker.connected and _type(worker) == "external"]
    return ServiceStatus(
        tasks=_tasks(unfinished, lambda each: each.demand.task_type, TaskType),
        workers=_workers(workers),
        worker_tasks=_tasks(of_workers, lambda each: each.demand.task_name),
        worker_tasks_arch=_tasks(of_workers, lambda each: each.demand.architecture or ANY_ARCHITECTURE),
        external_workers_arch=_architectures(external, "system:architectures"),
        external_workers_host_arch=_architectures(external, "system:host_architecture"),
    )


def caller(subject: Subject) -> Caller:
    """Who asks, as they are known here."""
    user = None if subject.user is None else subject.user.username
    return Caller(user=user, auth=not subject.anonymous, worker_token=subject.worker is not None)


def _tasks(
    unfinished: Sequence[Quantity], name_of: Callable[[Quantity], str], always: Iterable[str] = ()
) -> dict[str, UnfinishedTasks]:
    pending, running = Counter[str](), Counter[str]()
    for each in unfinished:
        (running if each.status is Status.RUNNING else pending)[name_of(each)] += each.count
    names = sorted({*always, *pending, *running})
    return {str(name): UnfinishedTasks(pending=pending[name], running=running[name]) for name in names}


def _workers(workers: Sequence[WorkerFacts]) -> dict[str, WorkerNumbers]:
    registered = Counter(_type(worker) for worker in workers)
    connected = Counter(_type(worker) for worker in workers if worker.connected)
    busy = Counter(_type(worker) for worker in workers if worker.connected and worker.busy)
    return {
        name: WorkerNumbers(
            registered=registered[name], connected=connected[name], busy=busy[name], idle=connected[name] - busy[name]
        )
        for name in WORKER_TYPES
    }


def _architectures(workers: Sequence[WorkerFacts], key: str) -> dict[str, ConnectedWorkers]:
    connected, busy = Counter[str](), Counter[str]()
    for worker in workers:
        told = _names(worker.metadata.get(key))
        connected.update(told)
        busy.update(told if worker.busy else ())
    return {name: ConnectedWorkers(connected=connected[name], busy=busy[name]) for name in sorted(connected)}


def _type(worker: WorkerFacts) -> str:
    told = worker.metadata.get("system:worker_type")
    return told if told in WORKER_TYPES else "external"


def _names(told: object) -> set[str]:
    """What a worker says of its architectures: one or a list, or whatever it pleases."""
    return {name for name in (told if isinstance(told, list) else [told]) if isinstance(name, str)}
