"""Retries: the new work request is what the old one was, and stands where it stood."""

from typing import Any

import pytest
from attrs import evolve, frozen

from debusine.db import tables
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS
from debusine.domain.errors import NotAuthenticated, NotFound
from debusine.domain.events import Event, WorkRequestBecamePending
from debusine.domain.work_requests import Result, Status, WorkRequest
from debusine.plugin import Task
from debusine.services import aborts, retries, work_requests
from debusine.services.retries import DependenciesAborted, NotRetryable, NotValidAnyMore, Superseded
from tests.services.test_races import block
from tests.work import TASKS, Echo, Workshop


async def aborted(workshop: Workshop, **task_data: Any) -> WorkRequest:
    return await abort(workshop, await workshop.request(**task_data))


async def abort(workshop: Workshop, work_request: WorkRequest) -> WorkRequest:
    return (await workshop.database.write(aborts.abort, workshop.user, work_request.id)).work_request


async def retry(workshop: Workshop, old: WorkRequest, tasks: Any = TASKS) -> WorkRequest:
    return (await workshop.database.write(retries.retry, workshop.user, tasks, old.id)).work_request


async def ended(workshop: Workshop, result: Result) -> WorkRequest:
    worker = await workshop.worker()
    await workshop.request()
    started = await workshop.start(worker)
    await workshop.complete(worker, started.id, result)
    return await workshop.get(started.id)


async def test_a_retry_is_a_new_work_request_for_the_same(workshop: Workshop) -> None:
    old = await workshop.request(result=False)
    values = {
        "priority_base": 3,
        "priority_adjustment": -2,
        "priority": 1,
        "timeout": 60,
        "workflow_data": {"a": 1},
        "event_reactions": {"on_success": []},
    }
    await workshop.database.write(change, old.id, values)
    await abort(workshop, old)
    await workshop.advance(5)
    told: list[Event] = []
    workshop.database.subscribe(told.extend)

    new = await retry(workshop, old)

    assert new.id != old.id
    assert (new.status, new.result, new.attempt, new.worker) == (Status.PENDING, Result.NONE, 0, None)
    assert (new.workspace, new.created_by, new.task_name) == (old.workspace, old.created_by, "echo")
    assert (new.task_data, new.demand) == ({"result": False}, old.demand)
    assert {name: getattr(new, name) for name in values} == values
    assert (new.supersedes, new.aborted_by, new.completed_at) == (old.id, None, None)
    assert new.created_at > old.created_at
    assert WorkRequestBecamePending(new.id, new.demand) in told


async def test_a_retry_waits_and_is_done_as_any_other(workshop: Workshop) -> None:
    new = await retry(workshop, await aborted(workshop))
    worker = await workshop.worker()
    started = await workshop.start(worker)
    await workshop.complete(worker, started.id)

    assert started.id == new.id
    assert (await workshop.get(new.id)).result is Result.SUCCESS


async def test_what_was_retried_says_by_which(workshop: Workshop) -> None:
    old = await aborted(workshop)
    new = await retry(workshop, old)

    view = await workshop.database.read(work_requests.get, workshop.user, old.id)
    assert (view.superseded_by, view.work_request) == (new.id, old)
    view = await workshop.database.read(work_requests.get, workshop.user, new.id)
    assert (view.superseded_by, view.work_request.supersedes) == (None, old.id)


async def test_failed_work_can_be_retried_and_its_artifacts_stay(workshop: Workshop) -> None:
    failed = await ended(workshop, Result.FAILURE)
    new = await retry(workshop, failed)
    assert new.supersedes == failed.id
    assert await workshop.get(failed.id) == failed


@pytest.mark.parametrize("result", [Result.SUCCESS, Result.ERROR, Result.SKIPPED])
async def test_other_results_are_not_retried(workshop: Workshop, result: Result) -> None:
    with pytest.raises(NotRetryable, match=f"Only aborted or failed .* is completed with {result}"):
        await retry(workshop, await ended(workshop, result))


async def test_what_has_not_ended_is_not_retried(workshop: Workshop) -> None:
    with pytest.raises(NotRetryable, match="is pending"):
        await retry(workshop, await workshop.request())


async def test_the_old_one_is_retried_once_and_the_new_one_again(workshop: Workshop) -> None:
    old = await aborted(workshop)
    second = await retry(workshop, old)
    with pytest.raises(Superseded, match=f"work request {second.id} supersedes it"):
        await retry(workshop, old)
    third = await retry(workshop, await abort(workshop, second))
    assert third.supersedes == second.id


async def test_what_depended_on_the_old_one_goes_on_when_the_new_one_is_done(workshop: Workshop) -> None:
    old = await workshop.request()
    dependent = await workshop.database.write(block, await workshop.request(), [old.id])
    await abort(workshop, old)
    assert (await workshop.get(dependent.id)).status is Status.BLOCKED

    new = await retry(workshop, old)

    assert await waits_for(workshop, dependent) == [new.id]
    assert await waits_for(workshop, old) == []
    worker = await workshop.worker()
    await workshop.start(worker)
    await workshop.complete(worker, new.id)
    assert (await workshop.get(dependent.id)).status is Status.PENDING


async def test_a_retry_waits_for_what_the_old_one_waited_for(workshop: Workshop) -> None:
    first = await workshop.request()
    old = await workshop.database.write(block, await workshop.request(), [first.id])
    await abort(workshop, old)

    new = await retry(workshop, old)

    assert (new.status, await waits_for(workshop, new)) == (Status.BLOCKED, [first.id])
    assert await waits_for(workshop, old) == [first.id]


async def test_a_retry_of_what_waited_for_an_aborted_one_says_which_to_retry_first(workshop: Workshop) -> None:
    first = await workshop.request()
    old = await workshop.database.write(block, await workshop.request(), [first.id])
    await abort(workshop, old)
    await abort(workshop, first)

    with pytest.raises(DependenciesAborted, match=f"retry these first: {first.id}"):
        await retry(workshop, old)

    again = await retry(workshop, first)
    new = await retry(workshop, old)
    assert (new.status, await waits_for(workshop, new)) == (Status.BLOCKED, [again.id])


async def test_a_task_that_nobody_offers_any_more_is_not_retried(workshop: Workshop) -> None:
    with pytest.raises(NotValidAnyMore, match=r"could not be submitted today: Task name: 'echo'\. Registered"):
        await retry(workshop, await aborted(workshop), {})


async def test_data_that_the_task_would_not_take_any_more_is_not_retried(workshop: Workshop) -> None:
    @frozen(kw_only=True)
    class NewData:
        necessary: str

    class NewEcho(Task[NewData]):
        name = "echo"
        Data = NewData
        run = Echo.run

    old = await aborted(workshop)
    with pytest.raises(NotValidAnyMore) as caught:
        await retry(workshop, old, {"echo": NewEcho})
    assert caught.value.validation_errors == {"task_data.necessary": ["This field is required."]}


async def test_lookups_that_name_nothing_any_more_are_not_retried(workshop: Workshop) -> None:
    artifact = await workshop.artifact()
    old = await aborted(workshop, input=artifact.id)
    await workshop.database.write(lambda uow: uow.artifacts.delete(artifact.id))

    with pytest.raises(NotValidAnyMore, match="there is no such artifact"):
        await retry(workshop, old)

    assert await workshop.database.read(lambda uow: uow.work_requests.superseding([old.id])) == {}


async def test_the_demand_is_that_of_the_task_as_it_is_now(workshop: Workshop) -> None:
    class NewerEcho(Echo):
        version = 2

    old = await aborted(workshop)
    new = await retry(workshop, old, {"echo": NewerEcho})

    demand = await workshop.database.read(lambda uow: uow.queues.demand(new.demand))
    assert (demand.version, new.demand == old.demand) == (2, False)


async def test_who_may_not_see_it_learns_nothing(workshop: Workshop) -> None:
    old = await aborted(workshop)
    for who in (ANONYMOUS, await workshop.worker()):
        with pytest.raises(NotFound, match=f"There is no work request {old.id}"):
            await workshop.database.write(retries.retry, who, TASKS, old.id)
        with pytest.raises(NotFound, match=f"There is no work request {old.id}"):
            await workshop.database.write(aborts.abort, who, old.id)


async def test_what_is_public_is_not_therefore_anybodys_to_change(workshop: Workshop) -> None:
    old = await aborted(workshop)
    private, public = workshop.workspace, evolve(workshop.workspace, public=True)
    await workshop.database.write(lambda uow: uow.workspaces.save(public, expecting=private))
    with pytest.raises(NotAuthenticated):
        await workshop.database.write(retries.retry, ANONYMOUS, TASKS, old.id)
    with pytest.raises(NotAuthenticated):
        await workshop.database.write(aborts.abort, ANONYMOUS, old.id)


def change(uow: UnitOfWork, id_: int, values: dict[str, Any]) -> None:
    table = tables.work_requests
    uow.connection.execute(table.update().where(table.c.id == id_).values(values))


async def waits_for(workshop: Workshop, work_request: WorkRequest) -> list[int]:
    """What a work request depends on, finished or not."""
    found = await workshop.database.write(lambda uow: uow.work_requests.dependencies_of(work_request.id))
    return [each.id for each in found]
