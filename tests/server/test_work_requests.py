"""Work requests on the wire: submitted, shown, listed, fetched and completed exactly as clients expect."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from tests.farm import Farm
from tests.server.work_farm import API, becomes, open_work_farm, ready_worker, submit

PATH = f"{API}/work-request/"


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm with the task ``echo``."""
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


async def test_a_submission_is_answered_by_its_representation(farm: Farm) -> None:
    submission = {"task_name": "Echo", "task_data": {"result": False}, "event_reactions": {}}

    answer = await farm.post(PATH, submission)

    assert answer.status == 200
    shown = answer.json()
    created_at = shown.pop("created_at")
    assert created_at.endswith("Z")
    assert shown == {
        "id": 1,
        "url": f"http://{farm.client.host}:{farm.client.port}/debusine/System/work-request/1/",
        "task_type": "Worker",
        "task_name": "echo",
        "task_data": {"result": False},
        "dynamic_task_data": None,
        "status": "pending",
        "result": "",
        "started_at": None,
        "completed_at": None,
        "duration": None,
        "worker": None,
        "created_by": farm.people.user.id,
        "aborted_by": None,
        "supersedes": None,
        "superseded_by": None,
        "priority_base": 0,
        "priority_adjustment": 0,
        "workflow_data": {},
        "event_reactions": {},
        "artifacts": [],
        "scope": "debusine",
        "workspace": "System",
        "output_data": None,
        "timeout": 21600,
        "attempt": 0,
    }
    again = (await farm.get(f"{PATH}1/")).json()
    assert again.pop("created_at") == created_at
    assert again == shown


async def test_a_submission_may_name_its_workspace_and_its_time_limit(farm: Farm) -> None:
    submission = {"task_name": "echo", "task_data": {}, "workspace": "Public", "timeout": 60}

    shown = (await farm.post(PATH, submission)).json()

    assert (shown["workspace"], shown["timeout"]) == ("Public", 60)


REFUSED: list[tuple[Mapping[str, Any], int, str]] = [
    ({}, 400, "task_name"),
    ({"task_name": 1}, 400, "task_name"),
    ({"task_name": "nothing"}, 400, "echo"),
    ({"task_name": "echo", "extra": 1}, 400, "extra"),
    ({"task_name": "echo", "task_data": []}, 400, "task_data"),
    ({"task_name": "echo", "task_data": {"result": "false"}}, 400, "task_data.result"),
    ({"task_name": "echo", "task_data": {"unknown": 1}}, 400, "unknown"),
    ({"task_name": "echo", "task_data": {"input": 99}}, 400, "no such artifact"),
    ({"task_name": "echo", "task_data": {"others": [99]}}, 400, "no such artifact"),
    ({"task_name": "echo", "task_data": {"input": "match:codename=trixie"}}, 400, "by its id"),
    ({"task_name": "echo", "timeout": 0}, 400, "timeout"),
    ({"task_name": "echo", "timeout": 259_201}, 400, "timeout"),
    ({"task_name": "echo", "timeout": "60"}, 400, "timeout"),
    ({"task_name": "echo", "workspace": "Nowhere"}, 404, "Nowhere"),
    ({"task_name": "echo", "event_reactions": []}, 400, "event_reactions"),
    ({"task_name": "echo", "event_reactions": {"on_tuesday": []}}, 400, "on_tuesday"),
    ({"task_name": "echo", "event_reactions": {"on_success": [{"action": "dance"}]}}, 400, "Invalid event_reactions"),
    (
        {"task_name": "echo", "event_reactions": {"on_success": [{"action": "send-notification", "channel": "x"}]}},
        400,
        "Non-existing channels: ['x']",
    ),
]


async def test_a_submission_that_cannot_be_done_is_refused_and_says_why(farm: Farm) -> None:
    for submission, status, told in REFUSED:
        answer = await farm.post(PATH, submission)

        assert answer.status == status, submission
        assert answer.problem()["title"]
        assert told in answer.body.decode().replace('\\"', '"'), submission
    assert (await farm.get(PATH)).json()["results"] == []


async def test_a_reaction_may_write_to_somebody_else_only_where_the_channel_allows_it(farm: Farm) -> None:
    await farm.database.write(add_channels)

    def submission(channel: str, data: object) -> object:
        reaction = {"action": "send-notification", "channel": channel, "data": data}
        return {"task_name": "echo", "event_reactions": {"on_failure": [reaction]}}

    assert (await farm.post(PATH, submission("strict", {"subject": "Hm"}))).status == 200
    assert (await farm.post(PATH, submission("open", {"to": ["a@example.org"]}))).status == 200
    refused = await farm.post(PATH, submission("strict", {"to": ["a@example.org"]}))
    assert (refused.status, refused.problem()["title"]) == (400, "Invalid event_reactions")


async def test_only_users_submit(farm: Farm) -> None:
    submission = {"task_name": "echo"}

    assert (await farm.post(PATH, submission, key=None)).status == 403
    assert (await farm.post(PATH, submission, key=farm.people.worker_key)).status in {403, 404}


async def test_an_unknown_work_request_is_not_found(farm: Farm) -> None:
    for path in (f"{PATH}1/", f"{PATH}{2**63 - 1}/", f"{PATH}{2**63}/"):
        answer = await farm.get(path)
        assert answer.status == 404
        assert answer.problem()


async def test_the_list_goes_back_and_forth_by_its_own_links(farm: Farm) -> None:
    ids = [await submit(farm) for _ in range(5)]

    first = (await farm.get(f"{PATH}?page_size=2")).json()
    second = (await farm.get(_path(first["next"]))).json()
    third = (await farm.get(_path(second["next"]))).json()
    back = (await farm.get(_path(third["previous"]))).json()
    front = (await farm.get(_path(back["previous"]))).json()

    pages = [[item["id"] for item in page["results"]] for page in (first, second, third, back, front)]
    assert pages == [[5, 4], [3, 2], [1], [3, 2], [5, 4]]
    assert ids == [1, 2, 3, 4, 5]
    assert (first["previous"], third["next"], front["previous"]) == (None, None, None)
    assert first["next"].startswith(f"http://{farm.client.host}:")
    assert "page_size=2" in first["next"]
    assert front["next"] is not None


async def test_a_list_with_a_bad_query_is_refused(farm: Farm) -> None:
    sizes, cursors = ("0", "501", "x", "-1", "", "1" * 30), ("x", "", "djE6MQ", "djE6LTE6bmV4dA", "%00", "ü")
    for query in (*(f"page_size={size}" for size in sizes), *(f"cursor={cursor}" for cursor in cursors)):
        answer = await farm.get(f"{PATH}?{query}")

        assert answer.status == 400, query
        assert answer.problem()["title"]


async def test_lists_are_for_users(farm: Farm) -> None:
    assert (await farm.get(PATH, key=None)).status == 403
    assert (await farm.get(PATH, key=farm.people.worker_key)).status == 403


async def test_a_longer_list_takes_no_more_statements(farm: Farm) -> None:
    counts = []
    for _ in range(2):
        for _ in range(3):
            await submit(farm)
        with counted_statements() as statements:
            await farm.get(PATH)
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 4


async def test_a_worker_sees_its_own_work_request_and_no_other(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        mine, other = await submit(farm), await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()

        assert (await farm.get(f"{PATH}{mine}/", key=worker.key)).status == 200
        assert (await farm.get(f"{PATH}{other}/", key=worker.key)).status == 404
        assert await worker.complete(other) == 401
        assert await worker.complete(999) == 404


MALFORMED_REPORTS: list[Mapping[str, Any]] = [
    {},
    {"result": ""},
    {"result": "great"},
    {"result": "success", "extra": 1},
    {"result": "success", "output_data": {"runtime_statistics": {"duration": "1"}}},
]


async def test_a_malformed_report_changes_nothing(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()

        for report in MALFORMED_REPORTS:
            answer = await farm.put(f"{PATH}{id_}/completed/", json=report, key=worker.key)
            assert answer.status == 400, report
            assert answer.problem()["title"] == "Cannot deserialize work request update"
        assert (await farm.get(f"{PATH}{id_}/")).json()["status"] == "running"


async def test_what_a_worker_tells_beside_the_result_is_shown(farm: Farm) -> None:
    report = {
        "result": "error",
        "output_data": {
            "runtime_statistics": {"duration": 1, "cpu_time": None},
            "errors": [{"message": "Task: echo", "code": "setup-failed"}],
        },
    }
    async with ready_worker(farm) as worker:
        id_ = await submit(farm)
        await worker.until("work_request_available")
        await worker.get_next()
        answer = await farm.put(f"{PATH}{id_}/completed/", json=report, key=worker.key)
        assert (answer.status, answer.body) == (200, b"")

    shown = await becomes(farm, id_, "completed")
    assert shown["result"] == "error"
    assert shown["output_data"]["errors"] == report["output_data"]["errors"]  # type: ignore[index]
    assert shown["output_data"]["runtime_statistics"]["duration"] == 1
    assert shown["duration"] >= 0
    assert shown["worker"] == farm.people.worker.id


async def test_users_are_no_workers(farm: Farm) -> None:
    id_ = await submit(farm)

    for answer in (
        await farm.get(f"{PATH}get-next-for-worker/"),
        await farm.put(f"{PATH}{id_}/completed/", json={"result": "success"}),
        await farm.put(f"{API}/worker/dynamic-metadata/", json={}),
    ):
        assert answer.status == 403
        assert answer.problem()["title"]


async def test_a_worker_registers_and_is_let_in_once_its_token_is_enabled(farm: Farm) -> None:
    key = "0123456789abcdef" * 4
    registration = {"token": key, "fqdn": "new.example.org", "worker_type": "external"}

    answer = await farm.post(f"{API}/worker/register/", registration, key=None)

    assert answer.status == 201
    assert (await farm.get(f"{PATH}get-next-for-worker/", key=key)).status == 403
    await farm.database.write(enable, key)
    assert (await farm.get(f"{PATH}get-next-for-worker/", key=key)).status == 204


MALFORMED_REGISTRATIONS: list[Mapping[str, Any]] = [
    {"fqdn": "a"},
    {"token": "a" * 65, "fqdn": "a"},
    {"token": "a" * 64, "fqdn": "a" * 401},
    {"token": "a" * 64, "fqdn": "a", "worker_type": "human"},
    {"token": "a" * 64, "fqdn": "a", "more": 1},
]


async def test_a_malformed_registration_is_refused(farm: Farm) -> None:
    for registration in MALFORMED_REGISTRATIONS:
        answer = await farm.post(f"{API}/worker/register/", registration, key=None)

        assert answer.status == 400, registration
        assert answer.problem()["title"] == "Cannot deserialize worker"


async def test_nested_metadata_is_refused_by_name(farm: Farm) -> None:
    body = {"ok": ["a"], "bad": {"a": 1}}

    answer = await farm.put(f"{API}/worker/dynamic-metadata/", json=body, key=farm.people.worker_key)

    assert answer.status == 400
    assert list(answer.problem()["validation_errors"]) == ["bad"]


def add_channels(uow: UnitOfWork) -> None:
    for name, allow_overrides in (("strict", False), ("open", True)):
        uow.channels.insert(name=name, method="email", data={}, allow_overrides=allow_overrides)


def enable(uow: UnitOfWork, key: str) -> None:
    token = uow.tokens.get_token_or_none(key)
    assert token is not None
    uow.tokens.save(token.enable(), expecting=token)


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The statements that any connection executes meanwhile, transactions' own words and sweeps left out."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "artifacts" in statement or "work_requests.priority_base" in statement or "workspaces" in statement:
            seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
