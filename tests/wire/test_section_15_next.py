"""§15: what comes next after the core: activation tokens, who am I, how busy is the farm, limits."""

import os

import pytest

from tests.wire.api import Api
from tests.wire.server import Server, new_name
from tests.wire.websocket import opened
from tests.wire.workers import CONNECT, HandWorker


def test_an_activation_token_makes_a_worker_that_is_enabled_at_once(server: Server, user: Api) -> None:
    """§10, §15 register with an activation token: 201, enabled; it is good for one use."""
    fqdn = f"{new_name()}.example.org"
    activation = user.by(server.operate("worker create", fqdn=fqdn, activation=True)["key"])
    token = os.urandom(32).hex()
    value = {"token": token, "fqdn": "its.own.name.example.org", "worker_type": "external"}
    assert activation.post("worker/register/", value).empty(201)
    with opened(user.address, CONNECT, {"token": token}) as socket:
        assert socket.hear()["text"] == "connected"
    rows = {row["name"]: row for row in server.operate("worker list")}
    assert rows[fqdn.replace(".", "-")]["enabled"]
    again = activation.post("worker/register/", {**value, "token": os.urandom(32).hex()})
    assert again.problem(403)["title"]


def test_an_activation_token_opens_nothing_else(server: Server, user: Api) -> None:
    """§1, §15 an activation token is neither a user's nor a worker's."""
    key = server.operate("worker create", fqdn=f"{new_name()}.example.org", activation=True)["key"]
    assert user.by(key).get("work-request/").problem(403)
    assert user.by(key).get("work-request/get-next-for-worker/").problem(403)
    with opened(user.address, CONNECT, {"token": key}) as socket:
        assert socket.hear()["reason_code"] == "TOKEN_DISABLED"


def test_who_am_i(user: Api, worker: HandWorker, nobody: Api) -> None:
    """§16 GET whoami/: user, auth, worker_token."""
    answers = [each.get("whoami/").json() for each in (user, worker.api, nobody)]
    assert all(answer.keys() >= {"user", "auth", "worker_token"} for answer in answers)
    assert [bool(answer["worker_token"]) for answer in answers] == [False, True, False]
    assert answers[0]["user"].startswith("user-")


def test_how_busy_the_farm_is(user: Api, worker: HandWorker) -> None:
    """§16 GET service-status/: tasks, workers, and tasks by worker and architecture."""
    user.submit()
    shown = user.get("service-status/").json()
    assert shown.keys() >= {
        "tasks", "workers", "worker_tasks", "external_workers_arch", "external_workers_host_arch", "worker_tasks_arch",
    }  # fmt: skip
    assert shown["tasks"]["Worker"].keys() >= {"pending", "running"}
    assert shown["workers"]["external"].keys() >= {"registered", "connected", "idle", "busy"}
    assert shown["workers"]["external"]["connected"] >= 1


@pytest.mark.parametrize("name", ["chunk", "file", "artifact", "artifact_files", "page_size", "max_page_size"])
def test_the_limits_are_told(nobody: Api, name: str) -> None:
    """§20 GET limits/ 200."""
    assert nobody.get("limits/").json()[name] > 0
