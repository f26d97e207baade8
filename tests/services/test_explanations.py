"""Explanations: a user hears why his work request waits."""

import attrs
import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS
from debusine.domain.work_requests import Status
from debusine.protocol.explanations import Explanation, Obstacles
from debusine.protocol.resources import WorkRequestSubmission
from debusine.services import work_requests, workspaces
from debusine.services.explanations import explain
from tests.work import TASKS, Workshop


async def why(workshop: Workshop, work_request: int) -> Explanation:
    return await workshop.database.read(explain, workshop.user, TASKS, work_request)


async def test_every_worker_is_told_with_all_that_is_against_it(workshop: Workshop) -> None:
    await workshop.worker("away", connected=False)
    busy = await workshop.worker("busy")
    await workshop.request()
    await workshop.start(busy)
    off = await workshop.worker("off")
    await workshop.database.write(disable, off.token.id if off.token else 0)
    await workshop.worker("other", connected=True, **{"system:architectures": ["i386"], "tasks_denylist": ["echo"]})
    request = await workshop.request(architecture="amd64")

    explanation = await why(workshop, request.id)

    assert explanation.summary == "No worker can take it now"
    assert {each.worker: tuple(each.reasons) for each in explanation.workers} == {
        "away": ("it is not connected",),
        "busy": ("it is busy",),
        "off": ("its token is disabled",),
        "other": ("echo is in its tasks_denylist", "it cannot run amd64"),
    }


async def test_what_nobody_hinders_will_be_assigned(workshop: Workshop) -> None:
    await workshop.worker()
    request = await workshop.request()

    assert "in a moment" in (await why(workshop, request.id)).summary


async def test_without_workers_there_is_nobody_to_blame(workshop: Workshop) -> None:
    assert (await why(workshop, (await workshop.request()).id)).summary == "There is no worker"


@pytest.mark.parametrize(
    ("status", "summary"),
    [(Status.BLOCKED, "It waits for the work requests 1"), (Status.ABORTED, "It does not wait: it is aborted")],
)
async def test_what_does_not_wait_for_a_worker_says_so(workshop: Workshop, status: Status, summary: str) -> None:
    await workshop.request()
    request = await workshop.request()
    await workshop.database.write(put_aside, request.id, status)

    assert (await why(workshop, request.id)).summary == summary


async def test_what_is_assigned_names_its_worker(workshop: Workshop) -> None:
    await workshop.worker("builder")
    request = await workshop.request()
    await workshop.assign()

    assert await why(workshop, request.id) == Explanation(
        summary="It is reserved for a worker, which will fetch it", workers=[Obstacles(worker="builder")]
    )


async def test_who_is_nobodys_user_hears_nothing_of_the_workers(workshop: Workshop) -> None:
    await workshop.database.write(publish, workshop.workspace.id)
    request = await workshop.request()
    await workshop.worker("builder", connected=False)

    told = await workshop.database.read(explain, ANONYMOUS, TASKS, request.id)
    assert told == Explanation(summary="No connected worker can run echo")

    await workshop.worker("other")
    await workshop.assign()
    told = await workshop.database.read(explain, ANONYMOUS, TASKS, request.id)
    assert told == Explanation(summary="It is reserved for a worker, which will fetch it")


async def test_of_what_work_waits_for_only_that_is_named_which_the_reader_may_see(workshop: Workshop) -> None:
    await workshop.database.write(publish, workshop.workspace.id)
    seen, blocked = await workshop.request(), await workshop.request()
    hidden = [await workshop.database.write(ask_in_private, workshop, number) for number in range(2)]
    await workshop.database.write(block, blocked.id, hidden)
    told = await workshop.database.read(explain, ANONYMOUS, TASKS, blocked.id)
    assert told.summary == "It waits for 2 work requests that you may not see"

    await workshop.database.write(block, blocked.id, [seen.id])
    told = await workshop.database.read(explain, ANONYMOUS, TASKS, blocked.id)
    assert told.summary == f"It waits for the work requests {seen.id} and 2 more"
    everything = (await why(workshop, blocked.id)).summary
    assert everything == f"It waits for the work requests {seen.id}, {hidden[0]}, {hidden[1]}"


async def test_a_worker_that_could_if_it_were_not_busy_counts_as_able(workshop: Workshop) -> None:
    busy = await workshop.worker("busy")
    await workshop.request()
    await workshop.start(busy)

    assert (await why(workshop, (await workshop.request()).id)).summary == "No worker can take it now"


def publish(uow: UnitOfWork, workspace: int) -> None:
    before = uow.workspaces.get(workspace)
    uow.workspaces.save(attrs.evolve(before, public=True), expecting=before)


def ask_in_private(uow: UnitOfWork, workshop: Workshop, number: int) -> int:
    private = workspaces.create_with_name(uow, f"Private{number}")
    submission = WorkRequestSubmission(task_name="echo", task_data={}, workspace=private.name)
    return work_requests.create(uow, workshop.user, TASKS, submission).work_request.id


def block(uow: UnitOfWork, work_request: int, dependencies: list[int]) -> None:
    for each in dependencies:
        uow.work_requests.add_dependency(work_request, each)
    before = uow.work_requests.get(work_request)
    uow.work_requests.save(attrs.evolve(before, status=Status.BLOCKED), expecting=before)


def put_aside(uow: UnitOfWork, work_request: int, status: Status) -> None:
    before = uow.work_requests.get(work_request)
    uow.work_requests.add_dependency(work_request, 1)
    uow.work_requests.save(attrs.evolve(before, status=status), expecting=before)


def disable(uow: UnitOfWork, token: int) -> None:
    before = uow.tokens.get(token)
    uow.tokens.save(before.disable(), expecting=before)
