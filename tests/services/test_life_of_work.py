"""The life of work requests: whatever users, workers and timers do in whatever order, the promises hold."""

import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from debusine.db import tables
from debusine.db.engine import make_engine, normal_url, sqlite_url
from debusine.db.schema import migrate
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, NotAssigned
from debusine.domain.times import now
from debusine.domain.work_requests import MAX_ATTEMPTS, Outcome, Result, Status, WorkRequest
from debusine.protocol.resources import CompletionReport, WorkRequestSubmission
from debusine.services import aborts, attempts, priorities, retries, work_requests, workers
from debusine.services.aborts import CannotAbort
from debusine.services.retries import DependenciesAborted, NotRetryable, Superseded
from tests.services.test_races import block
from tests.work import METADATA, TASKS, Workshop, add_artifact, add_worker, dispatcher, fill_farm

TABLE = tables.work_requests
WORKERS = st.integers(0, 2)
NUMBERS = st.one_of(st.none(), st.integers(1, 4))
MOST = 5
SOME = st.integers(0, MOST - 1)
RESULTS = st.sampled_from([Result.SUCCESS, Result.FAILURE])


class LifeOfWork(RuleBasedStateMachine):
    """Three workers, one user, and what goes on between them, on one SQLite connection."""

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        url = sqlite_url(Path(self.directory.name) / "farm.sqlite")
        migrate(url)
        self.engine = make_engine(normal_url(url), connections=1)
        self.moment = now()
        self.shop: Workshop = self.write(fill_farm, None)
        self.workers = [self.write(add_worker, f"w{number}", self.shop.server, METADATA) for number in range(3)]
        self.requests: list[int] = []
        self.ended: dict[int, WorkRequest] = {}

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()
            self.directory.cleanup()

    def write(self, function: Any, *arguments: Any) -> Any:
        self.moment += timedelta(seconds=1)
        with self.engine.begin() as connection:
            return function(UnitOfWork(connection, self.moment), *arguments)

    @precondition(lambda self: len(self.requests) < MOST)
    @rule()
    def submit(self) -> None:
        submission = WorkRequestSubmission(task_name="echo")
        self.requests.append(self.write(work_requests.create, self.shop.user, TASKS, submission).work_request.id)

    @rule()
    def assign(self) -> None:
        self.write(dispatcher().assign_waiting_work)

    @rule(who=WORKERS, names_all=st.booleans())
    def fetch(self, who: int, names_all: bool) -> None:
        worker = self.workers[who]
        self.write(attempts.get_next, worker, self.unreleased(worker) if names_all else None)

    @rule(who=WORKERS, which=SOME, number=NUMBERS, result=RESULTS)
    def report(self, who: int, which: int, number: int | None, result: Result) -> None:
        if which < len(self.requests):
            with suppress(Conflict, NotAssigned):
                report = CompletionReport(result=result)
                self.write(attempts.complete, self.workers[who], self.requests[which], number, report)

    @rule(who=WORKERS, ours=st.booleans())
    def connect(self, who: int, ours: bool) -> None:
        self.write(workers.connect, self.id_of(who), self.shop.server, () if ours else None)

    @rule(who=WORKERS, lost=st.booleans())
    def disconnect(self, who: int, lost: bool) -> None:
        connection = self.write(lambda uow: uow.workers.get(self.id_of(who))).connection
        self.write(workers.disconnect, self.id_of(who), connection)
        if lost:
            self.write(attempts.lose, self.id_of(who), connection)

    @rule(which=SOME, number=st.integers(1, 3))
    def time_out(self, which: int, number: int) -> None:
        if which < len(self.requests):
            self.write(attempts.time_out, self.requests[which], number)

    @rule(which=SOME)
    def abort(self, which: int) -> None:
        if which < len(self.requests):
            with suppress(CannotAbort):
                self.write(aborts.abort, self.shop.user, self.requests[which])

    @precondition(lambda self: self.ended and len(self.requests) < MOST)
    @rule(which=SOME)
    def retry(self, which: int) -> None:
        ended = sorted(self.ended)
        with suppress(NotRetryable, Superseded, DependenciesAborted):
            old = ended[which % len(ended)]
            self.requests.append(self.write(retries.retry, self.shop.user, TASKS, old).work_request.id)

    @rule(which=SOME, adjustment=st.integers(-3, 0))
    def adjust(self, which: int, adjustment: int) -> None:
        if which < len(self.requests):
            self.write(priorities.adjust, self.shop.user, self.requests[which], adjustment)
            self.ended.pop(self.requests[which], None)  # the one thing that may change then

    @precondition(lambda self: 0 < len(self.requests) < MOST)
    @rule(which=SOME)
    def submit_dependent(self, which: int) -> None:
        on = self.write(lambda uow: uow.work_requests.get(self.requests[which % len(self.requests)]))
        if not on.unblocks_dependents and self.write(lambda uow: uow.work_requests.superseding([on.id])) == {}:
            self.submit()
            new = self.write(lambda uow: uow.work_requests.get(self.requests[-1]))
            self.write(block, new, [on.id])

    @rule(who=WORKERS)
    def make_artifact(self, who: int) -> None:
        attempt = self.write(lambda uow: uow.attempts.latest_of_worker(self.id_of(who)))
        if attempt is not None:
            made_by = {"created_by_work_request": attempt.work_request, "created_by_attempt": attempt.number}
            self.write(add_artifact, self.shop.workspace.id, {"category": "debusine:test", "data": {}, **made_by})

    @invariant()
    def the_promises_hold(self) -> None:
        if hasattr(self, "requests"):
            self.write(self.check)

    def check(self, uow: UnitOfWork) -> None:
        in_hand = [each.worker for each in uow.work_requests.in_hand()]
        assert len(in_hand) == len(set(in_hand)), "a worker has one thing in hand"
        for id_ in self.requests:
            self.check_one(uow, uow.work_requests.get(id_))

    def check_one(self, uow: UnitOfWork, request: WorkRequest) -> None:
        assert self.ended.get(request.id, request) == request, "what has ended never changes"
        if request.finished:
            self.ended[request.id] = request
        made = uow.attempts.of_work_request(request.id)
        assert [attempt.number for attempt in made] == list(range(1, request.attempt + 1))
        assert request.attempt <= MAX_ATTEMPTS
        unfinished = [(attempt.number, attempt.worker) for attempt in made if attempt.outcome is None]
        running = request.status is Status.RUNNING
        assert unfinished == ([(request.attempt, request.worker)] if running else [])
        completions = [attempt.number for attempt in made if attempt.outcome is Outcome.COMPLETED]
        assert completions in ([], [request.attempt]), "only the last attempt's result counts"
        if request.status is Status.PENDING and request.worker is None:
            assert (request.dynamic_task_data, request.started_at, request.assigned_at) == (None, None, None)
        self.check_artifacts(uow, request)
        self.check_place(uow, request)

    def check_place(self, uow: UnitOfWork, request: WorkRequest) -> None:
        dependencies = uow.work_requests.dependencies_of(request.id)
        done = all(dependency.status is Status.COMPLETED for dependency in dependencies)
        assert request.status is not Status.BLOCKED or not done, "nobody waits for what is done"
        superseded = uow.work_requests.superseding([dependency.id for dependency in dependencies])
        assert request.status is not Status.BLOCKED or not superseded, "nobody waits for what was retried"
        stored = uow.connection.execute(sa.select(TABLE.c.priority).where(TABLE.c.id == request.id)).scalar_one()
        assert stored == request.priority
        supersedes = sa.select(sa.func.count()).where(TABLE.c.supersedes == request.id)
        assert uow.connection.execute(supersedes).scalar_one() <= 1

    def check_artifacts(self, uow: UnitOfWork, request: WorkRequest) -> None:
        attached = uow.work_requests.surroundings([request.id])[request.id].artifacts
        makers = {uow.artifacts.get(artifact).created_by_attempt for artifact in attached}
        assert makers <= {request.attempt}, "what a stale attempt made is never attached"
        assert not attached or request.status is Status.COMPLETED

    def unreleased(self, worker: Subject) -> list[tuple[int, int]]:
        assert worker.worker is not None
        id_ = worker.worker.id
        found = self.write(lambda uow: uow.attempts.unreleased_of(id_))
        return [(attempt.work_request, attempt.number) for attempt in found]

    def id_of(self, who: int) -> int:
        worker = self.workers[who].worker
        assert worker is not None
        return int(worker.id)


LifeOfWork.TestCase.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLifeOfWork = LifeOfWork.TestCase
