"""Two who change one work request, interrupted at every statement: one is first, both learn which, the end is final."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import frozen

from debusine.db.postgresql import PostgreSQLDatabase
from debusine.domain.accounts import Subject
from debusine.domain.work_requests import Outcome, Result, StaleAttempt, Status, WorkRequest
from debusine.protocol.resources import CompletionReport
from debusine.services import aborts, attempts, priorities, retries
from debusine.services.aborts import CannotAbort
from debusine.services.retries import Superseded
from tests.interleaving import Interleaving, keep_apart, orders
from tests.services.test_races import block
from tests.work import TASKS, Workshop, dispatcher

#: Statements of a transaction after the last of which nothing is decided any more.
STEPS = 7

Deed = Callable[..., Any]
#: A transaction and its arguments.
Call = tuple[Deed, Sequence[Any]]


@frozen
class Race:
    """A work request in some state, and those who are about to change it."""

    workshop: Workshop
    worker: Subject
    work_request: WorkRequest

    async def run(self, order: list[int], *calls: Call) -> list[Any]:
        """What two calls return or raise."""
        if not isinstance(self.workshop.database, PostgreSQLDatabase):
            # One writer, one after the other: the order is all that there is.
            turned = calls if order[0] == 0 else calls[::-1]
            results = await self._gather(turned)
            return results if order[0] == 0 else results[::-1]
        keep_apart(self.workshop.database)
        interleaving = Interleaving(order)
        return await self._gather(
            [(interleaving.step_by_step(number, deed), given) for number, (deed, given) in enumerate(calls)]
        )

    async def _gather(self, calls: Sequence[Call]) -> list[Any]:
        running = (self.workshop.database.write(deed, *given) for deed, given in calls)
        return await asyncio.gather(*running, return_exceptions=True)

    async def now(self) -> WorkRequest:
        return await self.workshop.get(self.work_request.id)

    async def outcomes(self) -> list[Outcome | None]:
        return [attempt.outcome for attempt in await self.workshop.attempts(self.work_request.id)]

    @property
    def abort(self) -> Call:
        return aborts.abort, (self.workshop.user, self.work_request.id)

    @property
    def retry(self) -> Call:
        return retries.retry, (self.workshop.user, TASKS, self.work_request.id)

    @property
    def fetch(self) -> Call:
        return attempts.get_next, (self.worker, None)

    def complete(self, attempt: int | None, result: Result = Result.SUCCESS) -> Call:
        report = CompletionReport(result=result)
        return attempts.complete, (self.worker, self.work_request.id, attempt, report)


async def begin(workshop: Workshop, status: Status, *, assigned: bool = True) -> Race:
    """A new work request of a worker of its own."""
    worker = await workshop.worker(secrets.token_hex(4))
    request = await workshop.request()
    if assigned:
        await workshop.assign()
    if status is Status.RUNNING:
        await workshop.fetch(worker)
    if status is Status.ABORTED:
        await workshop.database.write(aborts.abort, workshop.user, request.id)
    return Race(workshop, worker, await workshop.get(request.id))


async def all_orders(workshop: Workshop) -> Any:
    """Each order, with whatever else waits or works out of the way."""
    for order in orders(STEPS):
        yield order
        for left in await workshop.database.read(lambda uow: [*uow.work_requests.pending()]):
            await workshop.database.write(aborts.abort, workshop.user, left.id)
        for worker in await workshop.database.read(lambda uow: uow.workers.connected()):
            await workshop.disconnect(Subject(worker=worker))


@pytest.mark.parametrize("foreign", [False, True])
async def test_abort_against_complete(workshop: Workshop, foreign: bool) -> None:
    first = set()
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.RUNNING)
        aborted, completed = await race.run(order, race.abort, race.complete(None if foreign else 1))

        after = await race.now()
        first.add(after.status)
        if after.status is Status.ABORTED:
            assert (after.result, after.worker, await race.outcomes()) == (Result.NONE, None, [Outcome.ABORTED])
            assert aborted.work_request == after
            assert completed is None if foreign else isinstance(completed, StaleAttempt)
        else:
            assert (after.result, await race.outcomes()) == (Result.SUCCESS, [Outcome.COMPLETED])
            assert (type(aborted), completed) == (CannotAbort, None)
    assert first == {Status.ABORTED, Status.COMPLETED}


async def test_retry_against_retry(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.ABORTED)
        results = await race.run(order, race.retry, race.retry)

        refused = [result for result in results if isinstance(result, Superseded)]
        made = [result.work_request for result in results if not isinstance(result, Exception)]
        assert (len(refused), len(made)) == (1, 1)
        assert made[0].supersedes == race.work_request.id
        assert await race.now() == race.work_request


async def test_abort_against_the_fetching_worker(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.PENDING)
        aborted, fetched = await race.run(order, race.abort, race.fetch)

        after = await race.now()
        assert (after.status, after.worker) == (Status.ABORTED, None)
        assert aborted.work_request == after
        assert await race.outcomes() == ([] if fetched is None else [Outcome.ABORTED])


async def test_abort_against_the_scheduler(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.PENDING, assigned=False)
        aborted, passed = await race.run(order, race.abort, (dispatcher().assign_waiting_work, ()))

        after = await race.now()
        assert not isinstance(passed, Exception)
        assert (after.status, after.worker) == (Status.ABORTED, None)
        assert aborted.work_request.status is Status.ABORTED


async def test_abort_against_the_loss_of_the_worker(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.RUNNING)
        connection = await workshop.disconnect(race.worker)
        assert race.worker.worker is not None
        lose = attempts.lose, (race.worker.worker.id, connection)
        aborted, lost = await race.run(order, race.abort, lose)

        after = await race.now()
        assert (after.status, after.worker, lost) == (Status.ABORTED, None, None)
        assert aborted.work_request == after
        assert len(await race.outcomes()) == 1
        assert None not in await race.outcomes()


async def test_a_new_priority_against_the_scheduler(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.PENDING, assigned=False)
        adjust = priorities.adjust, (workshop.user, race.work_request.id, -7)
        adjusted, passed = await race.run(order, adjust, (dispatcher().assign_waiting_work, ()))
        await workshop.assign()  # the change has rung for this pass

        after = await race.now()
        assert not isinstance(adjusted, Exception)
        assert not isinstance(passed, Exception)
        assert (after.priority_adjustment, after.priority) == (-7, -7)
        assert race.worker.worker is not None
        assert after.worker == race.worker.worker.id


async def test_a_retry_against_the_end_of_what_it_depends_on(workshop: Workshop) -> None:
    async for order in all_orders(workshop):
        race = await begin(workshop, Status.RUNNING)
        dependent = await workshop.database.write(block, await workshop.request(), [race.work_request.id])
        await workshop.database.write(aborts.abort, workshop.user, dependent.id)
        again = retries.retry, (workshop.user, TASKS, dependent.id)
        retried, completed = await race.run(order, again, race.complete(1))

        assert completed is None
        # Blocked would be for ever: what it waits for has ended.
        assert (await workshop.get(retried.work_request.id)).status is Status.PENDING
