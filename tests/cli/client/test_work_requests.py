"""The commands about work requests, as their users see them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.cli.client.running import Farm
from tests.client.fake_server import CREATED_AT, hang_up


def test_create_work_request_reads_standard_input(farm: Farm) -> None:
    result = farm.run("create-work-request", "noop", stdin="result: true\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "---\n"
        "result: success\n"
        f"message: 'Work request registered: {farm.origin}/debusine/System/work-request/1/'\n"
        "work_request_id: 1\n"
    )
    (post,) = farm.server.requests("POST")
    assert json.loads(post.body) == {"task_name": "noop", "task_data": {"result": True}, "event_reactions": {}}


def test_create_work_request_takes_all_from_files(farm: Farm) -> None:
    Path("data.yaml").write_text("a: 1\n")
    Path("reactions.yaml").write_text("on_success: []\n")
    args = ["--data", "data.yaml", "--event-reactions", "reactions.yaml", "--workspace", "W", "--timeout", "60"]
    result = farm.run("create-work-request", "noop", *args)
    assert result.stdout.startswith("result: success\n")
    (post,) = farm.server.requests("POST")
    assert json.loads(post.body) == {
        "task_name": "noop",
        "task_data": {"a": 1},
        "event_reactions": {"on_success": []},
        "workspace": "W",
        "timeout": 60,
    }


def test_nothing_on_standard_input_is_no_data(farm: Farm) -> None:
    assert farm.run("create-work-request", "noop", stdin="").exit_code == 0
    assert farm.server.work_requests[1]["task_data"] == {}


def test_an_unknown_task_is_told_in_yaml_with_status_0(farm: Farm) -> None:
    result = farm.run("create-work-request", "unknown", stdin="")
    assert result.exit_code == 0
    assert result.stdout == (
        "---\n"
        "result: failure\n"
        "error:\n"
        "  title: 'Cannot create work request: task name is not registered'\n"
        "  detail: 'Task name: \"unknown\". Registered task names: noop'\n"
    )
    assert farm.run("--strict", "create-work-request", "unknown", stdin="").exit_code == 3


def test_standard_input_is_not_read_twice(farm: Farm) -> None:
    result = farm.run("create-work-request", "noop", "--event-reactions", "-", stdin="")
    assert result.exit_code == 2
    assert "can be read only once" in result.stderr


def test_show_work_request_prints_its_keys_in_order(farm: Farm) -> None:
    farm.run("create-artifact", "debusine:test")
    farm.server.add_work_request(artifacts=[1], duration=1.5, result="success", status="completed", timeout=60)
    result = farm.run("show-work-request", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = yaml.safe_load(result.stdout)
    assert " ".join(shown) == (
        "id url created_at started_at completed_at duration status result worker task_type task_name task_data "
        "dynamic_task_data priority_base priority_adjustment artifacts workspace timeout"
    )
    assert shown["artifacts"] == [yaml.safe_load(farm.run("show-artifact", 1).stdout)]
    assert f"created_at: {CREATED_AT}\n" in result.stdout


def test_statistics_alone_are_not_shown(farm: Farm) -> None:
    farm.server.add_work_request(output_data={"runtime_statistics": {"duration": 1}})
    assert "output_data" not in yaml.safe_load(farm.run("show-work-request", 1).stdout)


def test_what_went_wrong_is_shown_at_the_end(farm: Farm) -> None:
    errors = {"errors": [{"message": "It broke", "code": "execute-failed"}]}
    farm.server.add_work_request(status="completed", result="error", output_data=errors)
    shown = yaml.safe_load(farm.run("show-work-request", 1).stdout)
    assert list(shown.items())[-1] == ("output_data", errors)


def test_an_artifact_that_is_gone_does_not_hide_the_rest(farm: Farm) -> None:
    farm.server.add_work_request(artifacts=[7])
    shown = yaml.safe_load(farm.run("show-work-request", 1).stdout)
    assert shown["artifacts"] == [{"id": 7, "error": "No such artifact"}]


def test_an_unknown_work_request_is_one_line(farm: Farm) -> None:
    result = farm.run("show-work-request", 9)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "No such work request\n")


def test_list_work_requests_is_newest_first_and_limited(farm: Farm) -> None:
    for _ in range(5):
        farm.server.add_work_request(artifacts=[3])
    listed = yaml.safe_load(farm.run("list-work-requests", "--limit", 3).stdout)
    assert [found["id"] for found in listed["results"]] == [5, 4, 3]
    assert listed["results"][0]["artifacts"] == [3]
    assert listed["results"][0].keys() == farm.server.work_requests[5].keys()
    assert len(yaml.safe_load(farm.run("list-work-requests").stdout)["results"]) == 5


def test_an_empty_list_is_still_a_list(farm: Farm) -> None:
    assert farm.run("list-work-requests").stdout == "results: []\n"


def ends_after(farm: Farm, looks: int, **facts: Any) -> None:
    """The work request goes on for some looks at it, then ends."""

    async def still_running(_request: web.Request) -> web.StreamResponse:
        left = len([fault for fault in farm.server.faults if fault[2] is still_running])
        if not left:
            farm.server.work_requests[1] |= {"status": "completed", "duration": 2.0, **facts}
        running = {"status": "running", "worker": 4, "started_at": CREATED_AT}
        return web.json_response({**farm.server.work_requests[1], **(running if left else {})})

    farm.server.misbehave("GET", "work-request/1/", still_running, times=looks)


def test_waiting_for_success_ends_with_0(farm: Farm) -> None:
    farm.server.add_work_request()
    ends_after(farm, 3, result="success")
    result = farm.run("show-work-request", 1, "--wait")
    assert result.exit_code == 0
    assert result.stderr == "Work request 1 (noop): success after 2 s\n"
    assert yaml.safe_load(result.stdout)["status"] == "completed"


def test_waiting_for_a_failure_ends_with_1(farm: Farm) -> None:
    farm.server.misbehave("GET", "work-request/1/", hang_up)
    ends_after(farm, 2, result="failure")
    result = farm.run("create-work-request", "noop", "--wait", stdin="")
    assert result.exit_code == 1
    assert result.stderr == (
        "Work request 1 (noop): failure after 2 s\n"
        "Its logs are among the artifacts that 'debusine show-work-request 1' shows.\n"
    )
    assert yaml.safe_load(result.stdout)["work_request_id"] == 1


def test_who_waits_for_an_error_hears_why(farm: Farm) -> None:
    errors = [{"message": "The environment cannot be unpacked", "code": "execute-failed"}]
    ends_after(farm, 1, result="error", output_data={"errors": errors})
    result = farm.run("create-work-request", "noop", "--wait", stdin="")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[:2] == [
        "Work request 1 (noop): error after 2 s",
        "The environment cannot be unpacked",
    ]


def test_who_waits_for_what_was_skipped_hears_why(farm: Farm) -> None:
    ends_after(farm, 1, result="skipped", output_data={"skip_reason": "Nothing to build on this architecture"})
    result = farm.run("create-work-request", "noop", "--wait", stdin="")
    assert result.stderr.splitlines()[1] == "Nothing to build on this architecture"


def test_an_aborted_work_request_ends_the_waiting(farm: Farm) -> None:
    farm.server.add_work_request(status="aborted")
    result = farm.run("-s", "show-work-request", 1, "--wait")
    assert (result.exit_code, result.stderr) == (1, "")


def test_the_scope_can_be_chosen(farm: Farm) -> None:
    farm.server.add_work_request()
    farm.run("show-work-request", 1, "--scope", "other")
    assert farm.server.seen[-1].headers["X-Debusine-Scope"] == "other"


def test_debugging_tells_requests_and_no_token(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    farm.server.add_work_request()
    farm.run("-d", "show-work-request", 1)
    assert "/api/1.0/work-request/1/: 200" in caplog.text
    assert "usertoken" not in caplog.text
