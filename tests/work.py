"""A farm's work without HTTP: a user, workers, tasks, and the services by which work goes round."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import Factory, frozen

from debusine.db import tables
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import Artifact
from debusine.domain.demands import Demand
from debusine.domain.lookups import MultipleLookup, SingleLookup
from debusine.domain.times import now
from debusine.domain.work_requests import Attempt, Result, WorkRequest
from debusine.domain.workers import Worker
from debusine.domain.workspaces import DEFAULT_STORE, DEFAULT_WORKSPACE, Workspace
from debusine.plugin import Lookups, SchedulerPolicy, Task, TaskContext
from debusine.protocol.resources import CompletionReport, WorkRequestSubmission
from debusine.scheduler.dispatch import Dispatcher
from debusine.scheduler.fifo import Fifo, FifoOptions
from debusine.scheduler.matches import Matches
from debusine.services import attempts, work_requests, workers
from tests.farm import make_user, make_worker

METADATA = {
    "system:worker_type": "external",
    "system:architectures": ["amd64"],
    "echo:version": 1,
    "noop:version": 1,
}


@frozen(kw_only=True)
class EchoData:
    """What the task ``echo`` takes."""

    result: bool = True
    architecture: str | None = None
    input: SingleLookup | None = None
    others: MultipleLookup = Factory(MultipleLookup)


class Echo(Task[EchoData]):
    """A task that uses every part of the interface that the server sees."""

    name = "echo"
    Data = EchoData

    @classmethod
    def demand(cls, data: EchoData) -> Demand:
        return Demand(task_name=cls.name, version=cls.version, architecture=data.architecture)

    @classmethod
    def resolve(cls, data: EchoData, lookups: Lookups) -> dict[str, Any]:
        found = lookups.single(data.input, categories=["debusine:test"]).id if data.input is not None else None
        return {"input_id": found, "others_ids": [facts.id for facts in lookups.multiple(data.others)]}

    async def run(self, context: TaskContext) -> Result:
        raise NotImplementedError


TASKS: Mapping[str, type[Task[Any]]] = {"echo": Echo}


def dispatcher(tasks: Mapping[str, type[Task[Any]]] = TASKS, policy: SchedulerPolicy[Any] | None = None) -> Dispatcher:
    """A dispatcher of a server that has just started."""
    return Dispatcher(tasks, policy or Fifo(FifoOptions()), Matches(tasks))


@frozen
class Workshop:
    """What goes on between one user and some workers, each call a transaction."""

    database: Database
    user: Subject
    workspace: Workspace
    #: The id of a server process.
    server: int

    async def request(self, **task_data: Any) -> WorkRequest:
        """Submit an ``echo``."""
        submission = WorkRequestSubmission(task_name="echo", task_data=task_data)
        return (await self.database.write(work_requests.create, self.user, TASKS, submission)).work_request

    async def worker(self, name: str = "builder", *, connected: bool = True, **metadata: Any) -> Subject:
        """A worker that can run ``echo``."""
        return await self.database.write(add_worker, name, self.server if connected else None, METADATA | metadata)

    async def assign(self) -> None:
        """Make a pass of the scheduler."""
        while await self.database.write(dispatcher().assign_waiting_work):
            pass

    async def fetch(self, worker: Subject, running: list[tuple[int, int]] | None = None) -> WorkRequest | None:
        """Have a worker ask for work."""
        view = await self.database.write(attempts.get_next, worker, running)
        return view.work_request if view else None

    async def start(self, worker: Subject) -> WorkRequest:
        """Have a worker get what waits, and fetch it."""
        await self.assign()
        fetched = await self.fetch(worker)
        assert fetched is not None
        return fetched

    async def complete(
        self, worker: Subject, work_request: int, result: Result = Result.SUCCESS, *, attempt: int | None = None
    ) -> None:
        """Have a worker report."""
        report = CompletionReport(result=result)
        await self.database.write(attempts.complete, worker, work_request, attempt, report)

    async def disconnect(self, worker: Subject) -> int:
        """Close a worker's socket and return the number of its connection."""
        found = await self.get_worker(worker)
        await self.database.write(workers.disconnect, found.id, found.connection)
        return found.connection

    async def connect(self, worker: Subject, running: list[tuple[int, int]] | None = None) -> workers.Connection:
        """Open a socket of a worker."""
        assert worker.worker is not None
        return await self.database.write(workers.connect, worker.worker.id, self.server, running)

    async def lose(self, worker: Subject) -> None:
        """Let a worker vanish for longer than it may."""
        connection = await self.disconnect(worker)
        assert worker.worker is not None
        await self.database.write(attempts.lose, worker.worker.id, connection)

    async def get(self, work_request: int) -> WorkRequest:
        """A work request as it is now."""
        return await self.database.read(lambda uow: uow.work_requests.get(work_request))

    async def attempts(self, work_request: int) -> list[Attempt]:
        """The attempts at a work request."""
        return list(await self.database.read(lambda uow: uow.attempts.of_work_request(work_request)))

    async def get_worker(self, worker: Subject) -> Worker:
        """A worker as it is now."""
        assert worker.worker is not None
        id_ = worker.worker.id
        return await self.database.read(lambda uow: uow.workers.get(id_))

    async def artifact(self, **values: Any) -> Artifact:
        """An artifact without files, made by the user unless the values say otherwise."""
        assert self.user.user is not None
        defaults = {"category": "debusine:test", "data": {}, "created_by": self.user.user.id}
        return await self.database.write(add_artifact, self.workspace.id, defaults | values)

    async def advance(self, seconds: float) -> None:
        """Let time go by for all that follows."""
        moment = self.database.clock() + timedelta(seconds=seconds)
        self.database.clock = lambda: moment


async def open_workshop(database: Database) -> Workshop:
    """Fill an empty database with what work needs, and stop its clock: ``advance`` moves it."""
    moment = now()
    database.clock = lambda: moment
    return await database.write(fill_farm, database)


def add_worker(uow: UnitOfWork, name: str, server: int | None, metadata: Mapping[str, Any]) -> Subject:
    """A worker, connected to a server or not."""
    worker, _ = make_worker(uow, name)
    described = worker.set_dynamic_metadata(metadata, at=uow.now)
    if server is not None:
        described = described.mark_connected(at=uow.now, server=server)
    uow.workers.save(described, expecting=worker)
    return Subject(worker=described, token=uow.tokens.get(described.token or 0))


def add_artifact(uow: UnitOfWork, workspace: int, values: Mapping[str, Any]) -> Artifact:
    """An artifact without files."""
    return uow.artifacts.insert(workspace=workspace, created_at=uow.now, **values)


def add_server(uow: UnitOfWork, name: str = "here") -> int:
    """A row of a server process."""
    values = {"name": name, "started_at": uow.now, "beat_at": uow.now}
    result = uow.connection.execute(tables.servers.insert(), values)
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def fill_farm(uow: UnitOfWork, database: Database) -> Workshop:
    """A default store and workspace, a user, a server."""
    store = uow.file_stores.insert(name=DEFAULT_STORE, backend="local", configuration={})
    workspace = uow.workspaces.insert(
        name=DEFAULT_WORKSPACE, public=False, default_expiration_delay=None, default_file_store=store.id
    )
    user, _ = make_user(uow, "alice")
    return Workshop(database, Subject(user=user), workspace, add_server(uow))
