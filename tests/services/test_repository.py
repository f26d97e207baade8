"""A changed noun is saved only over the row that it was made from."""

from datetime import timedelta

import pytest
from attrs import evolve

from debusine.db.repository import Missing, Overtaken
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.times import now
from debusine.domain.work_requests import Result, Status, WorkRequest
from tests.work import Workshop


async def running(workshop: Workshop) -> WorkRequest:
    worker = await workshop.worker()
    await workshop.request()
    return await workshop.start(worker)


@pytest.mark.parametrize(
    "meanwhile",
    [{"status": Status.ABORTED, "worker": None}, {"attempt": 2}, {"worker": None, "status": Status.PENDING}],
    ids=["its status", "its attempt", "its worker"],
)
async def test_what_somebody_else_changed_meanwhile_is_not_written_over(
    workshop: Workshop, meanwhile: dict[str, object]
) -> None:
    seen = await running(workshop)
    changed = evolve(seen, **meanwhile)  # type: ignore[arg-type]
    await workshop.database.write(lambda uow: uow.work_requests.save(changed, expecting=seen))
    completed = seen.mark_completed(Result.SUCCESS, attempt=1, at=now())

    with pytest.raises(Overtaken):
        await workshop.database.write(lambda uow: uow.work_requests.save(completed, expecting=seen))

    assert await workshop.get(seen.id) == changed


async def test_only_what_differs_is_written(workshop: Workshop) -> None:
    seen = await running(workshop)
    later = seen.created_at + timedelta(days=1)

    def two_change_different_things(uow: UnitOfWork) -> WorkRequest:
        uow.work_requests.save(evolve(seen, priority_adjustment=5), expecting=seen)
        uow.work_requests.save(evolve(seen, started_at=later), expecting=seen)
        return uow.work_requests.get(seen.id)

    after = await workshop.database.write(two_change_different_things)

    assert (after.priority_adjustment, after.started_at) == (5, later)


async def test_what_is_not_there_is_missing(workshop: Workshop) -> None:
    with pytest.raises(Missing, match="There is no work request 404"):
        await workshop.database.read(lambda uow: uow.work_requests.get(404))
