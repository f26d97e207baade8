"""Priorities: the queue follows them, and who may change them."""

import pytest

from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import NotFound
from debusine.domain.events import Event, WorkRequestBecamePending
from debusine.domain.work_requests import Status, WorkRequest
from debusine.services import priorities
from debusine.services.priorities import PriorityNotPermitted
from tests.farm import make_user
from tests.work import Workshop


async def adjust(workshop: Workshop, work_request: WorkRequest, adjustment: int, by: Subject | None = None) -> None:
    await workshop.database.write(priorities.adjust, by or workshop.user, work_request.id, adjustment)


async def superuser(workshop: Workshop) -> Subject:
    user, _ = await workshop.database.write(make_user, "root", is_superuser=True)
    return Subject(user=user)


async def test_the_queue_follows_the_priorities(workshop: Workshop) -> None:
    root = await superuser(workshop)
    first, second, third = [await workshop.request() for _ in range(3)]
    await adjust(workshop, third, 10, root)
    await adjust(workshop, first, -1)
    worker = await workshop.worker()

    done = []
    for _ in range(3):
        started = await workshop.start(worker)
        await workshop.complete(worker, started.id)
        done.append(started.id)

    assert done == [third.id, second.id, first.id]


async def test_the_creator_may_lower_it_and_take_that_back(workshop: Workshop) -> None:
    request = await workshop.request()
    for adjustment in (-5, 0):
        await adjust(workshop, request, adjustment)
        assert (await workshop.get(request.id)).priority == adjustment


async def test_the_creator_may_not_raise_it(workshop: Workshop) -> None:
    request = await workshop.request()
    with pytest.raises(PriorityNotPermitted, match=r"debusine-admin user set \S+ --superuser"):
        await adjust(workshop, request, 1)
    assert (await workshop.get(request.id)).priority == 0


@pytest.mark.parametrize("adjustment", [-1, 0, 1])
async def test_other_users_may_not_touch_it(workshop: Workshop, adjustment: int) -> None:
    request = await workshop.request()
    user, _ = await workshop.database.write(make_user, "bob")
    with pytest.raises(PriorityNotPermitted) as caught:
        await adjust(workshop, request, adjustment, Subject(user=user))
    assert ("debusine-admin user set bob --superuser" in str(caught.value)) is (adjustment > 0)


@pytest.mark.parametrize("id_", [1, 999])
async def test_who_may_not_see_it_learns_nothing(workshop: Workshop, id_: int) -> None:
    await workshop.request()
    for who in (ANONYMOUS, await workshop.worker()):
        with pytest.raises(NotFound, match=f"There is no work request {id_}"):
            await workshop.database.write(priorities.adjust, who, id_, -1)


async def test_a_change_wakes_the_scheduler_only_while_the_work_waits_for_it(workshop: Workshop) -> None:
    request = await workshop.request()
    told: list[Event] = []
    workshop.database.subscribe(told.extend)
    await adjust(workshop, request, -1)
    # A pass of another server may just have met the lock, and left this one out.
    assert told == [WorkRequestBecamePending(request.id, request.demand)]

    await workshop.worker()
    await workshop.assign()
    told.clear()
    await adjust(workshop, request, -2)
    assert told == []


async def test_a_change_while_it_runs_changes_nothing_else(workshop: Workshop) -> None:
    await workshop.request()
    worker = await workshop.worker()
    started = await workshop.start(worker)
    await adjust(workshop, started, -3)
    await workshop.complete(worker, started.id, attempt=1)
    after = await workshop.get(started.id)
    assert (after.status, after.priority_adjustment) == (Status.COMPLETED, -3)
