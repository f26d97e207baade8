"""Workers on the wire: they connect, hear of work, fetch it, report; and they vanish and come back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.db.database import Database
from tests.farm import Farm
from tests.server.work_farm import hand_worker, open_work_farm, ready_worker, status_of, submit


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm whose timers run a hundred times faster."""
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


async def test_a_worker_hears_of_work_fetches_it_and_reports(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        assert await worker.hear() == {"type": "websocket.send", "text": "connected"}
        assert await worker.hear() == {"type": "websocket.send", "text": "request_dynamic_metadata"}
        await worker.tell_metadata()
        id_ = await submit(farm)
        assert await worker.hear() == {"type": "websocket.send", "text": "work_request_available"}

        handed = await worker.get_next()

        assert handed is not None
        assert (handed["id"], handed["task_name"], handed["attempt"], handed["workspace"]) == (id_, "echo", 1, "System")
        assert handed["dynamic_task_data"] == {"input_id": None, "others_ids": []}
        assert await status_of(farm, id_) == ("running", "")
        assert await worker.complete(id_) == 200
        assert await status_of(farm, id_) == ("completed", "success")


async def test_work_that_was_there_before_the_worker_is_told_once_it_says_what_it_can_do(farm: Farm) -> None:
    id_ = await submit(farm)

    async with ready_worker(farm) as worker:
        await worker.until("work_request_available")
        handed = await worker.get_next()

    assert handed is not None
    assert handed["id"] == id_
