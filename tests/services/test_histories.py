"""Histories: what people read of the attempts at a work request."""

from debusine.domain.work_requests import Result
from debusine.services import aborts
from debusine.services.histories import History, history
from tests.work import TASKS, Workshop


async def history_of(workshop: Workshop, work_request: int) -> History:
    return await workshop.database.read(history, workshop.user, TASKS, work_request)


async def test_each_attempt_is_told_with_its_worker_and_its_end(workshop: Workshop) -> None:
    one = await workshop.worker("one")
    request = await workshop.request()
    await workshop.start(one)
    assert [each.state for each in (await history_of(workshop, request.id)).tries] == ["running"]
    await workshop.lose(one)
    two = await workshop.worker("two")
    await workshop.start(two)
    await workshop.complete(two, request.id, Result.FAILURE)

    told = await history_of(workshop, request.id)

    assert [(each.number, each.worker, each.state) for each in told.tries] == [
        (1, "one", "lost (its worker has not said yet that it has stopped)"),
        (2, "two", "completed: failure"),
    ]
    assert (told.waits, told.aborted_by) == (None, None)


async def test_an_abort_is_told_with_its_user_and_whether_the_worker_has_stopped(workshop: Workshop) -> None:
    worker = await workshop.worker("one")
    request = await workshop.request()
    await workshop.start(worker)
    await workshop.database.write(aborts.abort, workshop.user, request.id)

    told = await history_of(workshop, request.id)
    assert (told.aborted_by, told.waits) == ("alice", None)
    assert [each.state for each in told.tries] == ["aborted (its worker has not said yet that it has stopped)"]

    await workshop.fetch(worker, [])
    assert [each.state for each in (await history_of(workshop, request.id)).tries] == ["aborted"]


async def test_what_waits_says_why(workshop: Workshop) -> None:
    request = await workshop.request()
    told = await history_of(workshop, request.id)
    assert told.waits is not None
    assert told.tries == []
