"""Watching completions on the wire: what was missed, what happens, and who may hear of it."""

import pytest

from debusine.domain.work_requests import Result
from tests.farm import Farm
from tests.server.watching import complete, connected, watching


def stamp(moment: object) -> str:
    return str(moment).replace(" ", "T").replace("+", "%2B")


async def test_a_watcher_is_told_of_what_happens_once_and_in_order(farm: Farm) -> None:
    async with connected(farm) as watcher:
        first, moment = await complete(farm)
        second, _ = await complete(farm, result=Result.FAILURE)
        third, _ = await complete(farm, result=Result.ERROR)
        assert await watcher.hear() == {
            "type": "websocket.send",
            "text": "work_request_completed",
            "work_request_id": first,
            "completed_at": moment.isoformat().replace("+00:00", "Z"),
            "result": "success",
        }
        heard = [await watcher.hear() for _ in range(2)]
    assert [(told["work_request_id"], told["result"]) for told in heard] == [(second, "failure"), (third, "error")]


async def test_what_was_missed_comes_first(farm: Farm) -> None:
    done = [await complete(farm) for _ in range(5)]
    async with connected(farm, query=f"?completed_at_since={stamp(done[1][1])}") as watcher:
        assert await watcher.hear_ids(3) == [id_ for id_, _ in done[2:]]
        new, _ = await complete(farm)
        assert await watcher.hear_ids(1) == [new]
