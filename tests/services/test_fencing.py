"""A worker that speaks of an attempt is heard only while that is the current one, and its own."""

import pytest

from debusine.domain.accounts import Subject
from debusine.domain.work_requests import StaleAttempt
from debusine.services.fencing import fence
from tests.work import Workshop


async def test_the_current_attempt_of_its_worker_passes(workshop: Workshop) -> None:
    worker = await workshop.worker()
    request = await workshop.request()
    await workshop.start(worker)

    assert await passes(workshop, worker, request.id, 1)


@pytest.mark.parametrize("number", [0, 2, 2**31 - 1])
async def test_a_number_that_no_attempt_had_is_as_stale_as_an_old_one(workshop: Workshop, number: int) -> None:
    worker = await workshop.worker()
    request = await workshop.request()
    await workshop.start(worker)

    with pytest.raises(StaleAttempt):
        await workshop.database.read(fence, worker, request.id, number)


async def test_the_number_of_the_attempt_that_another_worker_has_now_is_stale(workshop: Workshop) -> None:
    slow = await workshop.worker("slow")
    request = await workshop.request()
    await workshop.start(slow)
    await workshop.lose(slow)
    await workshop.start(await workshop.worker("quick"))

    with pytest.raises(StaleAttempt):
        await workshop.database.read(fence, slow, request.id, 2)


async def test_who_was_never_handed_the_work_request_learns_nothing_of_its_attempts(workshop: Workshop) -> None:
    request = await workshop.request()
    await workshop.start(await workshop.worker("one"))
    other = await workshop.worker("other")

    assert await passes(workshop, other, request.id, 1)
    assert await passes(workshop, other, request.id, 2)


async def passes(workshop: Workshop, worker: Subject, work_request: int, number: int) -> bool:
    """Whether a worker may speak of an attempt, as far as the attempt's number goes."""
    try:
        await workshop.database.read(fence, worker, work_request, number)
    except StaleAttempt:
        return False
    return True
