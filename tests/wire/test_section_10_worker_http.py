"""§10: what workers ask and tell by HTTP."""

import os
from typing import Any

import pytest

from tests.wire.api import Api
from tests.wire.server import Server, new_name
from tests.wire.websocket import opened
from tests.wire.workers import CONNECT, METADATA, HandWorker, connected


def registration(**changes: object) -> dict[str, Any]:
    """What a worker of 0.12 sends before it has a token."""
    return {"token": os.urandom(32).hex(), "fqdn": f"{new_name()}.example.org", "worker_type": "external", **changes}


def row(server: Server, name: str) -> Any:
    """A worker as the operator sees it."""
    return next(row for row in server.operate("worker list") if row["name"] == name)


def test_a_registration_makes_a_worker_that_is_not_enabled(server: Server, nobody: Api) -> None:
    """§10 register: 201; a disabled token, the name a slug of the fqdn."""
    value = registration()
    assert nobody.post("worker/register/", value).empty(201)
    name = value["fqdn"].replace(".", "-")
    assert row(server, name)["enabled"] is False
    assert nobody.by(value["token"]).get("work-request/get-next-for-worker/").problem(403)
    server.operate("worker enable", name=name)
    assert nobody.by(value["token"]).get("work-request/get-next-for-worker/").empty(204)


def test_names_that_clash_are_numbered(server: Server, nobody: Api) -> None:
    """§10 register: -2, -3 on a clash."""
    fqdn = f"{new_name()}.example.org"
    for _ in range(3):
        assert nobody.post("worker/register/", registration(fqdn=fqdn)).empty(201)
    name = fqdn.replace(".", "-")
    assert {f"{name}{suffix}" for suffix in ("", "-2", "-3")} <= {row["name"] for row in server.operate("worker list")}


@pytest.mark.parametrize("kind", ["external", "signing", "celery", None])
def test_the_type_of_a_worker(nobody: Api, kind: str | None) -> None:
    """§10 register: worker_type ∈ external, signing, celery; external when it is not there."""
    value = registration(worker_type=kind)
    assert nobody.post("worker/register/", {key: item for key, item in value.items() if item is not None}).empty(201)


@pytest.mark.parametrize(
    "changes", [{"token": "x" * 65}, {"fqdn": "x" * 401}, {"worker_type": "internal"}, {"token": None}, {"fqdn": 5}]
)
def test_a_registration_that_does_not_fit(nobody: Api, changes: dict[str, Any]) -> None:
    """§10 register: 400, Cannot deserialize worker."""
    assert nobody.post("worker/register/", registration(**changes)).problem(400)["title"] == "Cannot deserialize worker"


def test_the_longest_that_fits(nobody: Api) -> None:
    """§10 register: token ≤ 64 characters, fqdn ≤ 400."""
    assert nobody.post("worker/register/", registration(fqdn=".".join(["x" * 49] * 8))).empty(201)


def test_metadata_is_taken_with_204(idle: Api) -> None:
    """§10 PUT worker/dynamic-metadata/ 204."""
    assert idle.put("worker/dynamic-metadata/", dict(METADATA)).empty(204)


def test_no_work_is_204(worker: HandWorker) -> None:
    """§10 GET get-next-for-worker/ 204, empty."""
    assert worker.ask_for_work().empty(204)


def test_work_is_200_with_what_the_worker_needs(user: Api, worker: HandWorker) -> None:
    """§10 GET get-next-for-worker/ 200: id, task_type, task_name, task_data, dynamic_task_data, workspace."""
    number = user.submit("noop", {"result": False})["id"]
    handed = worker.get(number)
    needed = ("id", "task_type", "task_name", "task_data", "dynamic_task_data", "workspace")
    assert {key: handed[key] for key in needed} == {
        "id": number,
        "task_type": "Worker",
        "task_name": "noop",
        "task_data": {"result": False},
        "dynamic_task_data": {},
        "workspace": "System",
    }
    assert handed.keys() == user.work_request(number).keys()
    assert user.work_request(number)["status"] == "running"


def test_only_one_that_is_assigned_to_this_worker_is_handed_out(user: Api, idle: Api, server: Server) -> None:
    """§10 get-next (2): what is assigned to this worker, nothing else."""
    with connected(idle) as worker:
        number = user.submit()["id"]
        worker.socket.until("work_request_available")
        other = user.by(server.worker_key())
        assert other.get("work-request/get-next-for-worker/").empty(204)
        assert worker.ask_for_work().json()["id"] == number


def test_who_asks_again_had_nothing_any_more(user: Api, worker: HandWorker) -> None:
    """§10 get-next (1): what was running is given back and comes again, as another attempt."""
    number = user.submit()["id"]
    assert worker.get(number)["attempt"] == 1
    assert give_back_and_get(worker, number)["attempt"] == 2
    assert worker.complete(number).empty(200)
    assert user.work_request(number)["result"] == "success"


def test_what_was_lost_three_times_is_over(user: Api, worker: HandWorker) -> None:
    """§10 get-next (1): at most three attempts; §20 when the third is lost: error."""
    number = user.submit()["id"]
    worker.get(number)
    assert [give_back_and_get(worker, number)["attempt"] for _ in range(2)] == [2, 3]
    assert worker.ask_for_work().empty(204)
    shown = user.work_request(number)
    assert (shown["status"], shown["result"]) == ("completed", "error")


def give_back_and_get(worker: HandWorker, number: int) -> dict[str, Any]:
    """Ask without having finished, and get the same again."""
    answer = worker.ask_for_work()  # a worker asks only when it is idle
    return dict(answer.json()) if answer.status == 200 else worker.get(number)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"output_data": {}},
        {"output_data": {"runtime_statistics": {"duration": 0, "cpu_time": 0}}},
        {"output_data": {"runtime_statistics": {
            "duration": 12, "cpu_time": 3, "disk_space": 4, "memory": 5, "available_disk_space": 6,
            "available_memory": 7, "cpu_count": 8}}},
        {"output_data": {"runtime_statistics": {"duration": None, "memory": None}}},
        {"output_data": {"errors": [{"message": "Task: bogus Error setup: …", "code": "setup-failed"}]}},
        {"output_data": {"skip_reason": "nothing to do"}},
        {"output_data": {"regression_analysis": {"sid": {"status": "stable", "details": None}}}},
    ],
)  # fmt: skip
def test_the_end_is_taken_with_200_and_no_body(user: Api, worker: HandWorker, more: dict[str, Any]) -> None:
    """§10 PUT completed/ 200, EMPTY; every key of output_data."""
    number = user.submit()["id"]
    worker.get(number)
    assert worker.complete(number, "success", **more).empty(200)
    assert user.work_request(number)["result"] == "success"


@pytest.mark.parametrize(
    "value", [{}, {"result": ""}, {"result": "great"}, {"result": None}, {"result": "success", "x": 1}]
)
def test_an_end_that_does_not_fit(user: Api, worker: HandWorker, value: object) -> None:
    """§10 PUT completed/ 400: invalid body."""
    number = user.submit()["id"]
    worker.get(number)
    assert worker.api.put(f"work-request/{number}/completed/", value).problem(400)
    assert user.work_request(number)["status"] == "running"


def test_the_end_of_what_is_not_there(worker: HandWorker) -> None:
    """§10 PUT completed/ 404: unknown."""
    assert worker.complete(999_999_999).problem(404)


def test_the_end_of_what_was_never_its_own(server: Server, user: Api, worker: HandWorker) -> None:
    """§10 PUT completed/ 401: not assigned to this worker."""
    number = user.submit()["id"]
    worker.get(number)
    stranger = user.by(server.worker_key())
    assert stranger.put(f"work-request/{number}/completed/", {"result": "success"}).problem(401)
    assert user.work_request(number)["status"] == "running"


def test_the_end_of_what_has_ended(user: Api, worker: HandWorker) -> None:
    """§10 PUT completed/: neither pending nor running: 200, and nothing changes."""
    number = user.submit()["id"]
    worker.get(number)
    assert worker.complete(number, "failure").empty(200)
    before = user.work_request(number)
    assert worker.complete(number, "success").empty(200)
    assert user.work_request(number) == before


def test_the_end_of_what_was_aborted(user: Api, worker: HandWorker) -> None:
    """§10 PUT completed/ after an abort: 200, EMPTY; the worker lives on."""
    number = user.submit()["id"]
    worker.get(number)
    assert user.post(f"work-request/{number}/abort/", {}).json()
    before = user.work_request(number)
    assert worker.complete(number).empty(200)
    assert user.work_request(number) == before


def test_a_worker_that_is_to_be_is_known_by_its_key(server: Server, user: Api) -> None:
    """§10, §18 a worker that the operator has made needs no registration."""
    key = server.worker_key()
    with opened(user.address, CONNECT, {"token": key}) as socket:
        assert socket.hear()["text"] == "connected"
