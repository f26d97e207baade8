"""Workers: connected, told of; what they say of themselves."""

from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Invalid
from debusine.domain.events import WorkerChanged, WorkerDisconnected
from debusine.domain.rights import Action
from debusine.domain.workers import Worker
from debusine.services import rights
from debusine.services.attempts import Running, let_go

#: A worker is told of so many attempts that are over when it connects: no honest one has more.
MOST_STALE = 100

TITLE = "Cannot deserialize worker"


class NotFlat(Invalid):
    """Metadata holds objects in objects, which nobody could match."""

    def __init__(self, keys: Collection[str]) -> None:
        errors = {key: ["This must be a string, a number, a boolean, null or an array of them."] for key in keys}
        super().__init__(TITLE, validation_errors=errors)


@frozen
class Connection:
    """A socket that was accepted, as the rows know it."""

    worker: Worker
    #: Whether the worker has, or may have, something in hand.
    work_available: bool
    #: What the worker runs, as (work request, attempt), although nobody wants it any more.
    stale: Collection[tuple[int, int]] = ()


def set_dynamic_metadata(uow: UnitOfWork, subject: Subject, metadata: Mapping[str, Any]) -> None:
    """Record what a worker says of itself."""
    rights.authorize(uow, subject, Action.BE_A_WORKER)
    assert subject.worker is not None
    if nested := [key for key, value in metadata.items() if not _flat(value)]:
        raise NotFlat(nested)
    uow.workers.save(subject.worker.set_dynamic_metadata(metadata, at=uow.now), expecting=subject.worker)
    if metadata != subject.worker.dynamic_metadata:
        uow.publish(WorkerChanged(subject.worker.id))


def connect(uow: UnitOfWork, worker: int, server: int, running: Running | None) -> Connection:
    """Record that a server holds a worker's newest socket; what the worker had and does not name is given back.

    ``running``: None when the worker is a foreign one, which does not say what it runs.
    """
    before = uow.workers.get(worker, lock=True)
    after = before.mark_connected(at=uow.now, server=server)
    uow.workers.save(after, expecting=before)
    if running is not None:
        let_go(uow, worker, running)
    uow.publish(WorkerChanged(worker))
    busy = uow.work_requests.running_or_pending_exists(worker) or uow.attempts.latest_of_worker(worker) is not None
    return Connection(after, work_available=busy, stale=_stale(uow, worker, running or ()))


def disconnect(uow: UnitOfWork, worker: int, connection: int) -> None:
    """Record that a socket is closed, unless the worker has a newer one."""
    before = uow.workers.get_or_none(worker, lock=True)
    if before is None or before.connection != connection or not before.connected():
        return
    uow.workers.save(before.mark_disconnected(), expecting=before)
    uow.publish(WorkerDisconnected(worker, connection))


def forget_connections(uow: UnitOfWork, servers: Collection[int]) -> None:
    """Mark the workers disconnected whose sockets these servers held: they are dead."""
    uow.workers.forget_connections(servers)


def _stale(uow: UnitOfWork, worker: int, running: Running) -> Collection[tuple[int, int]]:
    wanted = {(each.id, each.attempt) for each in uow.work_requests.running(worker)} if running else set()
    return sorted(set(running) - wanted)[:MOST_STALE]


def _flat(value: object) -> bool:
    scalar = (str, int, float, bool, type(None))
    return isinstance(value, scalar) or (isinstance(value, list) and all(isinstance(item, scalar) for item in value))
