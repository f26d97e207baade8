"""How workers hear that what they run is wanted no more: those that count attempts do, foreign ones never."""

import asyncio
from pathlib import Path

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.open import open_database
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.domain.accounts import Subject
from debusine.domain.events import ChangedElsewhere
from debusine.domain.work_requests import Outcome
from debusine.services import aborts, attempts
from tests.farm import Farm
from tests.server.work_farm import (
    API,
    PATIENT,
    HandWorker,
    becomes,
    hand_worker,
    open_work_farm,
    ready_worker,
    status_of,
    submit,
)

OURS = {"X-Debusine-Running": ""}
#: Nothing is repeated within a test.
RARE = evolve(PATIENT, sweep=600)


async def start(farm: Farm, worker: HandWorker, **options: dict[str, str]) -> int:
    """Have a worker run something."""
    id_ = await submit(farm)
    await worker.until("work_request_available")
    handed = await worker.get_next(**options)
    assert handed is not None
    assert handed["id"] == id_
    return id_


async def abort(farm: Farm, id_: int) -> None:
    assert (await farm.post(f"{API}/work-request/{id_}/abort/", {})).status == 200


async def abort_unheard(farm: Farm, id_: int) -> None:
    """Abort as a server does that dies right after the commit, or is another one."""
    farm.database._listeners, listeners = [], farm.database._listeners
    await farm.database.write(aborts.abort, Subject(user=farm.people.user), id_)
    await asyncio.sleep(0)
    farm.database._listeners = listeners


def word(id_: int, attempt: int = 1) -> dict[str, object]:
    return {
        "type": "websocket.send",
        "text": "work_request_aborted",
        "work_request_id": id_,
        "attempt": attempt,
    }


async def aborted_word(worker: HandWorker) -> dict[str, object]:
    """Listen until the word comes, whatever else is said."""
    while (heard := await worker.hear())["text"] != "work_request_aborted":
        pass
    return heard


async def test_a_worker_that_counts_attempts_hears_of_an_abort_at_once(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        await abort(farm, id_)
        assert await worker.hear() == word(id_)


async def test_a_worker_hears_at_a_sweep_of_what_it_has_missed_until_it_is_free(
    database: Database, tmp_path: Path
) -> None:
    async with open_work_farm(database, tmp_path) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        await abort_unheard(farm, id_)
        for _ in range(3):
            assert await aborted_word(worker) == word(id_)
        assert await worker.get_next(headers=OURS) is None  # it names nothing: all has ended
        other = await submit(farm)
        await worker.until("work_request_available")
        handed = await worker.get_next(headers=OURS)
        assert handed is not None
        assert handed["id"] == other


async def test_a_worker_hears_of_what_another_server_has_aborted(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        await abort_unheard(farm, id_)
        database.tell([ChangedElsewhere()])
        assert await aborted_word(worker) == word(id_)


async def test_two_servers_hear_of_each_others_aborts(database: Database, database_url: str, tmp_path: Path) -> None:
    if not isinstance(database, PostgreSQLDatabase):
        pytest.skip("SQLite serves one server")
    async with open_work_farm(database, tmp_path, RARE) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        elsewhere = open_database(database_url)
        try:
            await elsewhere.write(aborts.abort, Subject(user=farm.people.user), id_)
            assert await aborted_word(worker) == word(id_)
        finally:
            await elsewhere.aclose()


async def test_a_worker_hears_when_it_comes_back_that_what_it_runs_is_over(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm:
        async with ready_worker(farm, **OURS) as worker:
            id_ = await start(farm, worker, headers=OURS)
        await abort_unheard(farm, id_)
        async with hand_worker(farm, **{"X-Debusine-Running": f"{id_}/1"}) as worker:
            assert await aborted_word(worker) == word(id_)


async def test_a_worker_that_comes_back_with_what_it_rightly_runs_hears_nothing_of_the_kind(
    database: Database, tmp_path: Path
) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm:
        async with ready_worker(farm, **OURS) as worker:
            id_ = await start(farm, worker, headers=OURS)
        async with hand_worker(farm, **{"X-Debusine-Running": f"{id_}/1"}) as worker:
            heard = [await worker.hear_text() for _ in range(3)]
            assert heard == ["connected", "request_dynamic_metadata", "work_request_available"]
            assert await worker.complete(id_, headers={"X-Debusine-Attempt": "1"}) == 200


async def test_a_worker_hears_that_the_server_has_ended_an_overlong_attempt(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        await database.write(attempts.time_out, id_, 1)
        assert await aborted_word(worker) == word(id_)
        assert await status_of(farm, id_) == ("completed", "error")


async def test_a_foreign_worker_hears_nothing_is_busy_until_it_reports_and_is_answered_as_ever(
    database: Database, tmp_path: Path
) -> None:
    async with open_work_farm(database, tmp_path) as farm, ready_worker(farm) as worker:
        id_ = await start(farm, worker)
        await abort(farm, id_)
        other = await submit(farm)
        await asyncio.sleep(4 * PATIENT.sweep)  # it could have been told at each of these
        assert (await becomes(farm, other, "pending"))["worker"] is None
        assert await worker.complete(id_) == 200
        assert await status_of(farm, id_) == ("aborted", "")
        assert await worker.hear_text() == "work_request_available"
        while (handed := await worker.get_next()) is None:  # the word was about the first: it was repeated meanwhile
            assert await worker.hear_text() == "work_request_available"
        assert handed["id"] == other
        (attempt,) = await database.read(lambda uow: uow.attempts.of_work_request(id_))
        assert attempt.outcome is Outcome.ABORTED


async def test_ours_is_told_that_its_report_is_stale_a_foreign_worker_never(database: Database, tmp_path: Path) -> None:
    async with open_work_farm(database, tmp_path, RARE) as farm, ready_worker(farm, **OURS) as worker:
        id_ = await start(farm, worker, headers=OURS)
        await abort(farm, id_)
        for _ in range(2):
            assert await worker.complete(id_, headers={"X-Debusine-Attempt": "1"}) == 409
        for result in ("success", "failure", "success"):
            assert await worker.complete(id_, result) == 200
        assert await worker.complete(999) == 404
        never = await submit(farm)
        assert await worker.complete(never) == 401
        assert await status_of(farm, id_) == ("aborted", "")
