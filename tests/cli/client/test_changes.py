"""The commands that change work requests, as their users see them."""

import json

import pytest
import yaml
from aiohttp import web

from tests.cli.client.running import Farm


def test_manage_work_request_sends_the_priority_and_prints_what_came_of_it(farm: Farm) -> None:
    farm.server.add_work_request()
    result = farm.run("manage-work-request", 1, "--set-priority-adjustment", -5)
    assert (result.exit_code, result.stderr) == (0, "")
    assert yaml.safe_load(result.stdout)["priority_adjustment"] == -5
    (patch,) = farm.server.requests("PATCH")
    assert json.loads(patch.body) == {"priority_adjustment": -5}


@pytest.mark.parametrize("options", [[], ["--set-priority-adjustment", "high"], ["--set-priority-adjustment", 10**7]])
def test_manage_work_request_needs_a_number_within_the_limits(farm: Farm, options: list[str]) -> None:
    result = farm.run("manage-work-request", 1, *options)
    assert result.exit_code == 2
    assert "--set-priority-adjustment" in result.stderr
    assert not farm.server.requests("PATCH")


def test_abort_work_request_prints_who_aborted_it(farm: Farm) -> None:
    farm.server.add_work_request(status="running")
    result = farm.run("abort-work-request", 1, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = json.loads(result.stdout)
    assert (shown["id"], shown["status"], shown["aborted_by"]) == (1, "aborted", 1)


def test_retry_work_request_prints_the_new_one(farm: Farm) -> None:
    farm.server.add_work_request(status="aborted")
    result = farm.run("retry-work-request", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = yaml.safe_load(result.stdout)
    assert (shown["id"], shown["status"], shown["supersedes"]) == (2, "pending", 1)
    assert yaml.safe_load(farm.run("show-work-request", 1).stdout)["superseded_by"] == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("abort-work-request", "Cannot abort work request: It has ended"),
        ("retry-work-request", "Cannot retry work request: Only aborted or failed ones can be retried"),
    ],
)
def test_what_the_server_refuses_is_one_line_and_status_3(farm: Farm, command: str, words: str) -> None:
    farm.server.add_work_request(status="completed", result="success")
    result = farm.run(command, 1)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.strip().removeprefix("debusine: ").rstrip(".") == words


def test_show_work_request_says_why_it_waits_where_the_server_does(farm: Farm) -> None:
    async def explain(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"summary": "There is no worker", "workers": []})

    farm.server.add_work_request()
    assert "waits" not in yaml.safe_load(farm.run("show-work-request", 1).stdout)
    farm.server.misbehave("GET", r"work-request/1/explanation/$", explain)
    assert yaml.safe_load(farm.run("show-work-request", 1).stdout)["waits"] == "There is no worker"


def test_what_does_not_wait_is_not_explained(farm: Farm) -> None:
    farm.server.add_work_request(status="running")
    farm.run("show-work-request", 1)
    assert farm.server.requests("GET", "explanation") == []
