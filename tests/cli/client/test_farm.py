"""``whoami`` and ``service-status``, as their users see them."""

import json

from aiohttp import web

from tests.cli.client.running import Farm
from tests.client.fake_server import answering

STATUS = {
    "tasks": {"Worker": {"pending": 3, "running": 1}},
    "workers": {"external": {"registered": 2, "connected": 1, "idle": 0, "busy": 1}},
    "worker_tasks": {"noop": {"pending": 3, "running": 1}},
    "external_workers_arch": {"amd64": {"connected": 1, "busy": 1}},
    "external_workers_host_arch": {"amd64": {"connected": 1, "busy": 1}},
    "worker_tasks_arch": {"any": {"pending": 3, "running": 1}},
}


def test_whoami_prints_who_one_is(farm: Farm) -> None:
    told = {"user": "alice", "auth": True, "worker_token": False, "a_key_of_tomorrow": 1}
    farm.server.misbehave("GET", "whoami", answering(lambda: web.json_response(told)))
    result = farm.run("whoami")
    assert (result.exit_code, result.stdout) == (0, "user: alice\nauth: true\nworker_token: false\n")


def test_service_status_prints_the_numbers(farm: Farm) -> None:
    farm.server.misbehave("GET", "service-status", answering(lambda: web.json_response(STATUS)))
    result = farm.run("service-status", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, STATUS)
