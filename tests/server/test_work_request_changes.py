"""PATCH, retry and abort on the wire."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from debusine.db.database import Database
from debusine.domain.work_requests import MAX_PRIORITY_ADJUSTMENT
from tests.farm import Answer, Farm, make_user
from tests.server.work_farm import API, open_work_farm, ready_worker, status_of, submit


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


def path(id_: int, verb: str = "") -> str:
    return f"{API}/work-request/{id_}/{verb}"


async def patch(farm: Farm, id_: int, body: Any, **options: Any) -> Answer:
    return await farm.request("PATCH", path(id_), json=body, **options)


async def root_key(farm: Farm) -> str:
    _, key = await farm.database.write(make_user, "root", is_superuser=True)
    return key


async def test_a_superuser_sets_any_priority_and_gets_the_representation(farm: Farm) -> None:
    id_ = await submit(farm)
    answer = await patch(farm, id_, {"priority_adjustment": 100}, key=await root_key(farm))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == (await farm.get(path(id_))).json()
    assert answer.json()["priority_adjustment"] == 100


async def test_the_creator_lowers_it_and_is_refused_the_rest(farm: Farm) -> None:
    id_ = await submit(farm)
    assert (await patch(farm, id_, {"priority_adjustment": -5})).json()["priority_adjustment"] == -5
    refused = await patch(farm, id_, {"priority_adjustment": 5})
    assert (refused.status, refused.problem()["title"]) == (
        403,
        "You are not permitted to set priority adjustments",
    )
    assert (await farm.get(path(id_))).json()["priority_adjustment"] == -5


async def test_only_that_key_in_its_range_is_taken(farm: Farm) -> None:
    id_, key = await submit(farm), await root_key(farm)
    wrong: list[Any] = [None, True, -1.5, "-1", [], MAX_PRIORITY_ADJUSTMENT + 1, -MAX_PRIORITY_ADJUSTMENT - 1, 2**53]
    bodies: dict[str, list[Any]] = {
        "priority_adjustment": [{}, *({"priority_adjustment": value} for value in wrong)],
        "non_field_errors": [{"priority_adjustment": -1, "priority_base": 5}, {"status": "completed"}, []],
    }
    for field, body in [(field, body) for field, some in bodies.items() for body in some]:
        answer = await patch(farm, id_, body, key=key)
        assert (answer.status, answer.problem()["title"]) == (400, "Cannot deserialize work request update")
        assert field in answer.problem()["validation_errors"]
    assert (await farm.get(path(id_))).json()["priority_adjustment"] == 0


async def test_the_ends_of_the_range_are_in_it(farm: Farm) -> None:
    id_, key = await submit(farm), await root_key(farm)
    for adjustment in (MAX_PRIORITY_ADJUSTMENT, -MAX_PRIORITY_ADJUSTMENT):
        answer = await patch(farm, id_, {"priority_adjustment": adjustment}, key=key)
        assert answer.json()["priority_adjustment"] == adjustment


async def test_an_abort_is_answered_by_what_it_has_become(farm: Farm) -> None:
    id_ = await submit(farm)
    answer = await farm.post(path(id_, "abort/"), {})
    assert (answer.status, answer.json()) == (200, (await farm.get(path(id_))).json())
    shown = answer.json()
    assert (shown["status"], shown["result"], shown["worker"]) == ("aborted", "", None)
    assert (shown["aborted_by"], shown["completed_at"] is None) == (farm.people.user.id, False)


async def test_a_second_abort_and_one_of_what_has_ended_are_400(farm: Farm) -> None:
    id_ = await submit(farm)
    await farm.post(path(id_, "abort/"), {})
    again = await farm.post(path(id_, "abort/"), {})
    assert (again.status, again.problem()["title"]) == (400, "Cannot abort work request")
    assert f"work request {id_} is aborted" in again.problem()["detail"]


async def test_a_retry_is_answered_by_the_new_one(farm: Farm) -> None:
    id_ = await submit(farm, result=False)
    await farm.post(path(id_, "abort/"), {})
    answer = await farm.post(path(id_, "retry/"), {})
    new = answer.json()
    assert (answer.status, new) == (200, (await farm.get(path(new["id"]))).json())
    assert (new["status"], new["supersedes"], new["superseded_by"]) == ("pending", id_, None)
    assert new["task_data"] == {"result": False}
    old = (await farm.get(path(id_))).json()
    assert (old["status"], old["supersedes"], old["superseded_by"]) == ("aborted", None, new["id"])


async def test_a_retry_of_what_runs_and_a_second_one_are_400(farm: Farm) -> None:
    id_ = await submit(farm)
    pending = await farm.post(path(id_, "retry/"), {})
    assert (pending.status, pending.problem()["title"]) == (400, "Cannot retry work request")
    await farm.post(path(id_, "abort/"), {})
    await farm.post(path(id_, "retry/"), {})
    second = await farm.post(path(id_, "retry/"), {})
    assert (second.status, second.problem()["title"]) == (400, "Cannot retry work request")
    assert "retried already" in second.problem()["detail"]


async def test_the_body_may_be_an_empty_object_or_nothing(farm: Farm) -> None:
    with_and_without: list[dict[str, Any]] = [{"json": {}}, {}]
    for options in with_and_without:
        id_ = await submit(farm)
        for verb in ("abort/", "retry/"):
            assert (await farm.request("POST", path(id_, verb), **options)).status == 200


async def test_any_other_body_is_400_and_changes_nothing(farm: Farm) -> None:
    id_ = await submit(farm)
    for verb, body in itertools.product(("abort/", "retry/"), (b"[]", b'{"a": 1}', b"{", b"null")):
        answer = await farm.request("POST", path(id_, verb), data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400
    assert await status_of(farm, id_) == ("pending", "")


async def test_who_may_not_see_it_and_what_is_not_there_are_the_same_404(farm: Farm) -> None:
    id_ = await submit(farm)
    for verb in ("", "abort/", "retry/"):
        method, body = ("POST", {}) if verb else ("PATCH", {"priority_adjustment": -1})
        hidden = await farm.request(method, path(id_, verb), json=body, key=farm.people.worker_key)
        missing = await farm.request(method, path(999, verb), json=body)
        assert (hidden.status, missing.status) == (404, 404)
        assert hidden.problem()["title"] == missing.problem()["title"].replace("999", str(id_))
        anonymous = await farm.request(method, path(id_, verb), json=body, key=None)
        assert anonymous.status == 403
    assert await status_of(farm, id_) == ("pending", "")


async def test_the_queue_follows_a_priority_on_the_wire(farm: Farm) -> None:
    first, second = await submit(farm), await submit(farm)
    await patch(farm, first, {"priority_adjustment": -1})
    async with ready_worker(farm) as worker:
        await worker.until("work_request_available")
        handed = await worker.get_next()
    assert handed is not None
    assert handed["id"] == second
