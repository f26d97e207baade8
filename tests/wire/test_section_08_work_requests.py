"""§8: work requests, as those see them who want something done."""

import re
from datetime import datetime
from typing import Any

import pytest

from tests.wire.api import Api, path_of
from tests.wire.server import Server, new_name
from tests.wire.workers import HandWorker

#: Every key of the representation, and what it is right after the submission.
NEW: dict[str, Any] = {
    "task_type": "Worker",
    "task_name": "noop",
    "task_data": {},
    "dynamic_task_data": None,
    "status": "pending",
    "result": "",
    "started_at": None,
    "completed_at": None,
    "duration": None,
    "worker": None,
    "aborted_by": None,
    "priority_base": 0,
    "priority_adjustment": 0,
    "workflow_data": {},
    "event_reactions": {},
    "artifacts": [],
    "scope": "debusine",
    "workspace": "System",
}
NOTIFY = {"action": "send-notification", "channel": "nobody-made-it", "data": None}


def test_a_submission_is_answered_by_200_and_the_whole_representation(user: Api, idle: Api) -> None:
    """§8 POST work-request/: 200, not 201."""
    made = user.post("work-request/", {"task_name": "noop", "task_data": {}, "event_reactions": {}}).json(200)
    assert {key: made[key] for key in NEW} == NEW
    assert path_of(made["url"]) == f"/debusine/System/work-request/{made['id']}/"
    assert isinstance(made["created_by"], int)
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None


def test_a_work_request_is_shown(user: Api, idle: Api) -> None:
    """§8 GET work-request/N/: 200, the representation."""
    made = user.submit()
    assert user.work_request(made["id"]) == made


def test_the_name_of_a_task_is_taken_in_any_case(user: Api) -> None:
    """§8 POST: task_name case-insensitive."""
    assert user.submit("NoOp")["task_name"] == "noop"


def test_an_unknown_task(user: Api) -> None:
    """§8 POST: unknown task 400, with the names of those that there are."""
    problem = user.post("work-request/", {"task_name": "brew", "task_data": {}}).problem(400)
    assert problem["title"] == "Cannot create work request: task name is not registered"
    assert "brew" in problem["detail"]
    assert "noop" in problem["detail"]


def test_a_key_that_does_not_belong_there(user: Api) -> None:
    """§8 POST: any other key 400."""
    problem = user.post("work-request/", {"task_name": "noop", "task_data": {}, "priority": 1}).problem(400)
    assert "priority" in str(problem["validation_errors"])


@pytest.mark.parametrize("task_data", [{"colour": "red"}, {"result": "perhaps"}])
def test_task_data_that_does_not_fit(user: Api, task_data: dict[str, Any]) -> None:
    """§8 POST: task data that does not validate: 400, error computing dynamic data."""
    problem = user.post("work-request/", {"task_name": "noop", "task_data": task_data}).problem(400)
    assert problem["title"] == "Cannot create work request: error computing dynamic data"


@pytest.mark.parametrize("lookup", [999_999_999, "999999999@artifacts", "debian/match:codename=bookworm"])
def test_a_lookup_that_finds_nothing(user: Api, lookup: object) -> None:
    """§8 POST: unresolvable lookups 400 with a detail."""
    value = {"input": {"source_artifact": lookup}, "environment": lookup, "host_architecture": "amd64"}
    problem = user.post("work-request/", {"task_name": "sbuild", "task_data": value}).problem(400)
    assert problem["title"] == "Cannot create work request: error computing dynamic data"
    assert problem["detail"]


def test_an_artifact_of_another_category(user: Api) -> None:
    """§8 POST: lookups of the wrong category 400."""
    artifact = user.artifact()["id"]
    value = {"input": {"source_artifact": artifact}, "environment": artifact, "host_architecture": "amd64"}
    problem = user.post("work-request/", {"task_name": "sbuild", "task_data": value}).problem(400)
    assert "debusine:test" in problem["detail"]


def test_dynamic_data_is_not_kept_before_the_assignment(user: Api, idle: Api) -> None:
    """§8 POST: dynamic_task_data stays null until assignment."""
    assert user.work_request(user.submit()["id"])["dynamic_task_data"] is None


@pytest.mark.parametrize("event", ["on_creation", "on_unblock", "on_assignment", "on_success", "on_failure"])
def test_reactions_to_each_event_are_checked(user: Api, event: str) -> None:
    """§8 event_reactions: five lists; an unknown channel: 400, Non-existing channels."""
    assert user.submit(event_reactions={event: []})["event_reactions"] == {event: []}
    value = {"task_name": "noop", "task_data": {}, "event_reactions": {event: [NOTIFY]}}
    problem = user.post("work-request/", value).problem(400)
    assert problem["title"] == "Non-existing channels: ['nobody-made-it']"


@pytest.mark.parametrize(
    "reactions",
    [{"on_success": [{"action": "retry-with-delays"}]}, {"on_success": [{"action": "run", "channel": "a"}]},
     {"on_success": {}}, {"on_fire": []}, {"on_success": [{**NOTIFY, "data": {"bcc": "x"}}]}],
)  # fmt: skip
def test_other_reactions_are_refused(user: Api, reactions: object) -> None:
    """§8 event_reactions: others and malformed ones: 400, Invalid event_reactions."""
    value = {"task_name": "noop", "task_data": {}, "event_reactions": reactions}
    problem = user.post("work-request/", value).problem(400)
    assert problem["title"] in {"Invalid event_reactions", "Cannot deserialize work request"}


def test_nobody_submits_without_a_right(nobody: Api, public: str) -> None:
    """§8 POST: no right 403."""
    assert nobody.post("work-request/", {"task_name": "noop", "task_data": {}, "workspace": public}).problem(403)


def test_a_list_is_followed_page_by_page_newest_first(user: Api) -> None:
    """§8 GET work-request/: next followed verbatim until null, page of 10, newest first."""
    made = [user.submit()["id"] for _ in range(23)]
    page = user.get("work-request/").json()
    assert page.keys() >= {"next", "previous", "results"}
    assert (page["previous"], len(page["results"])) == (None, 10)
    found = [each["id"] for each in page["results"]]
    while page["next"] is not None and len(found) < 23:
        page = user.get(path_of(page["next"])).json()
        found += [each["id"] for each in page["results"]]
    assert found[:23] == made[::-1]
    back = user.get(path_of(page["previous"])).json()
    assert [each["id"] for each in back["results"]] == made[::-1][10:20]


def test_the_last_page_says_so(server: Server, user: Api) -> None:
    """§8 GET work-request/: next is null at the end."""
    page = user.get("work-request/?page_size=500").json()
    while page["next"] is not None:
        page = user.get(path_of(page["next"])).json()
    assert page["results"][-1]["id"] == 1


def test_each_of_a_list_is_a_whole_representation(user: Api) -> None:
    """§8 GET work-request/: results are representations."""
    made = user.submit()
    assert user.get("work-request/?page_size=1").json()["results"] == [user.work_request(made["id"])]


def test_an_unknown_work_request(user: Api) -> None:
    """§8 GET work-request/N/ 404, a problem."""
    assert user.get("work-request/999999999/").problem(404)


def test_work_goes_from_pending_to_completed(user: Api, worker: HandWorker) -> None:
    """§8 status and result: pending "", running "", completed with a result; duration in seconds; artifacts."""
    number = user.submit()["id"]
    worker.get(number)
    running = user.work_request(number)
    assert (running["status"], running["result"], running["completed_at"]) == ("running", "", None)
    assert running["started_at"] is not None
    assert isinstance(running["worker"], int)
    made = [worker.api.declare({}, work_request=number)["id"] for _ in range(2)]
    assert worker.complete(number).empty(200)
    done = user.work_request(number)
    assert (done["status"], done["result"], done["artifacts"]) == ("completed", "success", made)
    started, completed = (datetime.fromisoformat(done[key]) for key in ("started_at", "completed_at"))
    assert done["duration"] == pytest.approx((completed - started).total_seconds(), abs=0.001)


@pytest.mark.parametrize("result", ["success", "failure", "error", "skipped"])
def test_every_result_is_kept(user: Api, worker: HandWorker, result: str) -> None:
    """§8 result ∈ success, failure, error, skipped."""
    number = user.submit()["id"]
    worker.get(number)
    assert worker.complete(number, result).empty(200)
    assert user.work_request(number)["result"] == result


def test_a_priority_is_adjusted_by_its_creator_down_and_by_a_superuser_both_ways(server: Server, user: Api) -> None:
    """§8 PATCH priority_adjustment: 200 representation; over 0 without the permission 403."""
    number, chief = user.submit()["id"], user.by(server.user_key(superuser=True))
    assert (
        user.send("PATCH", f"work-request/{number}/", {"priority_adjustment": -5}).json()["priority_adjustment"] == -5
    )
    assert user.send("PATCH", f"work-request/{number}/", {"priority_adjustment": 5}).problem(403)
    assert chief.send("PATCH", f"work-request/{number}/", {"priority_adjustment": 5}).json() == user.work_request(
        number
    )
    assert user.work_request(number)["priority_adjustment"] == 5


@pytest.mark.parametrize("value", [{}, {"priority_adjustment": "high"}, {"priority_base": 5}, {"status": "completed"}])
def test_nothing_else_is_changed(user: Api, value: object) -> None:
    """§8 PATCH: only that key, a whole number: else 400."""
    problem = user.send("PATCH", f"work-request/{user.submit()['id']}/", value).problem(400)
    assert problem["title"] == "Cannot deserialize work request update"


@pytest.mark.parametrize("path", ["", "retry/", "abort/"])
def test_what_is_not_there_is_not_changed(user: Api, path: str) -> None:
    """§8 PATCH, retry, abort of an unknown one: 404."""
    method, value = ("PATCH", {"priority_adjustment": 0}) if not path else ("POST", {})
    assert user.send(method, f"work-request/999999999/{path}", value).problem(404)


@pytest.mark.parametrize("status", ["pending", "running"])
def test_an_unfinished_one_is_aborted(user: Api, worker: HandWorker, status: str) -> None:
    """§8 abort: 200 representation; aborted, result "", completed_at, aborted_by, no worker."""
    number = user.submit("noop" if status == "running" else "mmdebstrap", BOOTSTRAP if status == "pending" else {})[
        "id"
    ]
    if status == "running":
        worker.get(number)
    shown = user.post(f"work-request/{number}/abort/", {}).json()
    assert (shown["status"], shown["result"], shown["worker"]) == ("aborted", "", None)
    assert shown["aborted_by"] == shown["created_by"]
    assert shown["completed_at"] is not None
    assert user.work_request(number) == shown


@pytest.mark.parametrize("ended", ["completed", "aborted"])
def test_an_ended_one_is_not_aborted(user: Api, worker: HandWorker, ended: str) -> None:
    """§8 abort: else 400, Cannot abort work request, with a detail."""
    number = end(user, worker, ended)
    problem = user.post(f"work-request/{number}/abort/", {}).problem(400)
    assert problem["title"] == "Cannot abort work request"
    assert problem["detail"]


@pytest.mark.parametrize("ended", ["aborted", "failure"])
def test_an_unsuccessful_one_is_retried(user: Api, worker: HandWorker, ended: str) -> None:
    """§8 retry: 200, the representation of the new one, a copy; then 400, for it is superseded."""
    number = end(user, worker, ended)
    old = user.work_request(number)
    new = user.post(f"work-request/{number}/retry/", {}).json()
    assert new["id"] > number
    copied = ("workspace", "created_by", "task_type", "task_name", "task_data", "priority_base", "event_reactions")
    assert {key: new[key] for key in copied} == {key: old[key] for key in copied}
    assert (new["status"], new["result"]) == ("pending", "")
    problem = user.post(f"work-request/{number}/retry/", {}).problem(400)
    assert problem["title"] == "Cannot retry work request"
    assert problem["detail"]


@pytest.mark.parametrize("ended", ["success", "error", "skipped", "pending", "running"])
def test_others_are_not_retried(user: Api, worker: HandWorker, ended: str) -> None:
    """§8 retry: only aborted or failed ones: else 400, Cannot retry work request."""
    number = end(user, worker, ended)
    problem = user.post(f"work-request/{number}/retry/", {}).problem(400)
    assert problem["title"] == "Cannot retry work request"
    assert re.search(r"\w+ \w+", problem["detail"])


#: Nobody here can run it: no worker has this architecture.
BOOTSTRAP: dict[str, Any] = {
    "bootstrap_options": {"architecture": "m68k"},
    "bootstrap_repositories": [{"mirror": "http://mirror.example/debian", "suite": "bookworm"}],
}


def end(user: Api, worker: HandWorker, how: str) -> int:
    """A work request that has come this far."""
    if how == "pending":
        return int(user.submit("mmdebstrap", BOOTSTRAP)["id"])
    number = int(user.submit()["id"])
    worker.get(number)
    if how == "aborted":
        assert user.post(f"work-request/{number}/abort/", {}).json()
        assert worker.complete(number).empty(200)
    elif how != "running":
        assert worker.complete(number, "success" if how == "completed" else how).empty(200)
    return number


def test_a_page_of_its_own_is_no_dead_end(user: Api) -> None:
    """§8 url: it can be opened; §20 a plain page."""
    made = user.submit()
    answer = user.get(path_of(made["url"]))
    assert answer.status == 200
    assert str(made["id"]).encode() in answer.body


def test_a_workspace_is_named(server: Server, user: Api) -> None:
    """§8 POST: workspace."""
    name = new_name()
    server.operate("workspace create", name=name)
    made = user.submit(workspace=name)
    assert made["workspace"] == name
    assert path_of(made["url"]) == f"/debusine/{name}/work-request/{made['id']}/"
