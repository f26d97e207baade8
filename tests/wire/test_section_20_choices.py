"""§20: what this server does where the protocol leaves freedom."""

import base64
import contextlib
import os
import socket
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.farm import eventually
from tests.wire.api import Api, file_path, path_of
from tests.wire.raw import PATIENCE, exchange, read_answer, request_bytes
from tests.wire.server import Server
from tests.wire.websocket import opened
from tests.wire.workers import CONNECT, HandWorker

MiB = 1 << 20


@pytest.mark.parametrize("path", ["nowhere", "/nowhere", "/debusine/System/artifact/999999999/", "/debusine/nowhere/"])
def test_errors_are_problems_on_every_endpoint(user: Api, path: str) -> None:
    """§20 errors are always problem+json."""
    assert user.get(path).problem(404)


def test_a_printed_url_is_no_dead_end(user: Api) -> None:
    """§20 /SCOPE/WORKSPACE/…/ answers a page."""
    for made in (user.artifact(), user.submit()):
        answer = user.get(path_of(made["url"]))
        assert answer.status == 200
        assert answer.header("Content-Type").startswith("text/html")


@pytest.mark.parametrize("path", ["/elsewhere/System/artifact/{}/", "/elsewhere/System/artifact/{}/download/a"])
def test_another_scope_has_no_pages(user: Api, path: str) -> None:
    """§20 one scope per server."""
    assert user.get(path.format(user.artifact({"a": b"a"})["id"])).problem(404)


def test_a_forwarded_host_counts_from_trusted_proxies_only(user: Api) -> None:
    """§20 X-Forwarded-* only from trusted_proxies."""
    headers = {"Token": user.key or "", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    made = user.declare({})
    shown = exchange(user.address, "GET", f"/api/1.0/artifact/{made['id']}/", headers).json()
    assert shown["download_tar_gz_url"].startswith(f"http://127.0.0.1:{user.address[1]}/")


def test_a_cursor_is_what_it_is(user: Api) -> None:
    """§20 cursor: base64url of v1:<last id>:<next|prev>; ids descending."""
    newest = [user.submit()["id"] for _ in range(3)][::-1]
    page = user.get("work-request/?page_size=2").json()
    assert [each["id"] for each in page["results"]] == newest[:2]
    cursor = page["next"].partition("cursor=")[2].partition("&")[0]
    assert base64.urlsafe_b64decode(cursor + "==") == f"v1:{newest[1]}:next".encode()
    following = user.get(path_of(page["next"])).json()
    assert following["results"][0]["id"] == newest[2]
    back = user.get(path_of(following["previous"])).json()
    assert [each["id"] for each in back["results"]] == newest[:2]


@pytest.mark.parametrize(
    ("size", "status"), [("1", 200), ("500", 200), ("0", 400), ("501", 400), ("x", 400), ("-1", 400)]
)
def test_a_page_has_up_to_500(user: Api, size: str, status: int) -> None:
    """§20 page_size: 10 by default, up to 500."""
    assert user.get(f"work-request/?page_size={size}").status == status


@pytest.mark.parametrize(("delay", "seconds"), [("P1D", 86_400), (3600, 3600), ("PT90S", 90), (0, None), ("0", None)])
def test_a_delay_of_expiry_is_honoured(user: Api, delay: object, seconds: int | None) -> None:
    """§20 expiration_delay: ISO 8601 duration or seconds, 0 never."""
    made = user.declare({}, expiration_delay=delay)
    if seconds is None:
        assert made["expire_at"] is None
    else:
        times = [datetime.fromisoformat(made[key]) for key in ("created_at", "expire_at")]
        assert times[1] - times[0] == timedelta(seconds=seconds)


def test_a_time_and_a_delay_of_expiry_are_too_much(user: Api) -> None:
    """§20 expire_at and expiration_delay: 400."""
    value = {"category": "debusine:test", "data": {}, "expire_at": "2040-01-01T00:00:00Z", "expiration_delay": 5}
    assert user.post("artifact/", value).problem(400)


def test_the_limit_of_a_chunk(user: Api) -> None:
    """§20 a whole file in one PUT up to the chunk limit; above it 413."""
    size = 65 * MiB
    file = {"size": size, "checksums": {"sha256": "1" * 64}, "type": "file"}
    made = user.post("artifact/", {"category": "debusine:test", "data": {}, "files": {"a": file}}).json(201)
    target = f"/api/1.0/{file_path(made['id'], 'a')}"
    headers = {"Token": user.key or "", "Content-Range": f"bytes 0-{size - 1}/{size}", "Content-Length": str(size)}
    with socket.create_connection(user.address, timeout=60) as connection:
        connection.sendall(request_bytes(user.address, "PUT", target, headers, None))
        assert read_answer(connection).problem(413)


def test_a_whole_file_that_breaks_off_leaves_nothing(server: Server, user: Api) -> None:
    """§20 one that breaks off in a single PUT leaves what can be gone on from, or nothing."""
    content = os.urandom(1000)
    made = user.declare({"a": content})
    target = f"/api/1.0/{file_path(made['id'], 'a')}"
    headers = {"Token": user.key or "", "Content-Length": "1000"}
    with socket.create_connection(user.address) as connection:
        connection.sendall(request_bytes(user.address, "PUT", target, headers, None) + content[:500])
    assert user.probe(made["id"], "a", 1000).header("Range") == "bytes=0-0"
    assert user.upload(made["id"], "a", content).empty(201)


def test_a_newer_request_takes_over(user: Api) -> None:
    """§20 two on the same upload: the newer goes on, the older ends with 409."""
    content = os.urandom(1000)
    made = user.declare({"a": content})
    target = f"/api/1.0/{file_path(made['id'], 'a')}"
    headers = {"Token": user.key or "", "Content-Range": "bytes 0-999/1000", "Content-Length": "1000"}
    with socket.create_connection(user.address, timeout=60) as older:
        older.sendall(request_bytes(user.address, "PUT", target, headers, None) + content[:500])
        while (answer := user.upload(made["id"], "a", content)).status == 409:
            pass  # the older one was not there yet, and took over from this one
        assert answer.empty(201)
        with contextlib.suppress(OSError):  # it may have been told already
            older.sendall(content[500:])
        assert read_answer(older).status in {409, 201}


def test_a_worker_that_counts_attempts_is_told_when_it_is_late(user: Api, worker: HandWorker) -> None:
    """§20 X-Debusine-Attempt: 409 when it is not the current one, 200 for the same result again."""
    number = user.submit()["id"]
    attempt = worker.get(number)["attempt"]
    path, value = f"work-request/{number}/completed/", {"result": "success"}
    assert worker.api.put(path, value, X_Debusine_Attempt=str(attempt + 1)).problem(409)
    for _ in range(2):
        assert worker.api.put(path, value, X_Debusine_Attempt=str(attempt)).empty(200)
    assert worker.api.put(path, {"result": "failure"}, X_Debusine_Attempt=str(attempt)).problem(409)
    assert user.work_request(number)["result"] == "success"


def test_what_a_worker_names_as_running_is_not_given_back(user: Api, worker: HandWorker) -> None:
    """§20 X-Debusine-Running: only what is not named is given back."""
    number = user.submit()["id"]
    attempt = worker.get(number)["attempt"]
    running = {"X_Debusine_Running": f"{number}/{attempt}"}
    assert worker.api.get("work-request/get-next-for-worker/", **running).empty(204)
    assert user.work_request(number)["status"] == "running"
    with opened(worker.api.address, CONNECT, {"token": worker.api.key or "", "X-Debusine-Running": ""}) as again:
        again.until("connected")
        eventually("it is given back", lambda: user.work_request(number)["status"] != "running" or None, PATIENCE)


def test_a_late_artifact_is_taken_and_not_attached(user: Api, worker: HandWorker) -> None:
    """§20 a late artifact of a foreign worker is accepted and not attached."""
    number = user.submit()["id"]
    worker.get(number)
    early = worker.api.declare({}, work_request=number)["id"]
    assert user.post(f"work-request/{number}/abort/", {}).json()
    late = worker.api.artifact({"late.txt": b"late"}, work_request=number)["id"]
    relation = {"artifact": late, "target": early, "type": "relates-to"}
    assert worker.api.post("artifact-relation/", relation).json(201)
    assert late not in user.work_request(number)["artifacts"]
    assert user.get(f"artifact/{late}/").status == 200


def test_a_foreign_worker_is_judged_by_what_it_was_last_handed(server: Server, user: Api, worker: HandWorker) -> None:
    """§20 completed/ without an attempt: 200 for one that it ever had, and nothing changes."""
    number = user.submit()["id"]
    worker.get(number)
    worker.ask_for_work()  # it gives the work back
    other = user.submit()["id"]
    before = user.work_request(other)
    assert worker.complete(number).empty(200)
    assert user.work_request(number)["result"] == ""
    assert user.work_request(other)["result"] == before["result"]


@pytest.mark.parametrize(("timeout", "status"), [(1, 200), (259_200, 200), (0, 400), (259_201, 400), ("1", 400)])
def test_a_limit_of_time_may_be_given(user: Api, timeout: Any, status: int) -> None:
    """§20 timeout: 1 to 259,200 s, 21,600 when absent; the representation carries it."""
    assert user.submit()["timeout"] == 21_600
    answer = user.post("work-request/", {"task_name": "noop", "task_data": {}, "timeout": timeout})
    assert answer.status == status
    if status == 200:
        assert answer.json()["timeout"] == timeout


def test_a_workers_work_carries_its_limit_and_its_attempt(user: Api, worker: HandWorker) -> None:
    """§20 get-next carries attempt and timeout."""
    number = user.submit(timeout=77)["id"]
    handed = worker.get(number)
    assert (handed["attempt"], handed["timeout"]) == (1, 77)


def test_the_subject_of_a_mail_is_the_submitters_its_address_is_not(server: Server, user: Api) -> None:
    """§20 subject always overrides; from, to, cc only when the channel has allow_overrides: else 400."""
    channel = {"from": "farm@example.org", "to": ["team@example.org"]}
    strict, open_ = f"s{os.urandom(4).hex()}", f"o{os.urandom(4).hex()}"
    server.operate("channel create", name=strict, method="email", data=channel)
    server.operate("channel create", name=open_, method="email", data=channel, allow_overrides=True)

    def submit(name: str, data: object) -> int:
        reaction = {"action": "send-notification", "channel": name, "data": data}
        value = {"task_name": "noop", "task_data": {}, "event_reactions": {"on_unblock": [reaction]}}
        return user.post("work-request/", value).status

    assert submit(strict, {"subject": "mine"}) == 200
    assert submit(strict, None) == 200
    assert submit(strict, {"to": ["other@example.org"]}) == 400
    assert submit(open_, {"to": ["other@example.org"], "cc": [], "from": "me@example.org"}) == 200


def test_a_head_is_a_get_without_its_body(user: Api) -> None:
    """§20 HEAD answers as GET does, and hands out no work."""
    made = user.artifact({"a": b"abc"})
    answer = user.ask("HEAD", path_of(made["files"]["a"]["url"]))
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "3")
    user.ask("HEAD", "work-request/get-next-for-worker/")


def test_why_something_waits_is_explained(user: Api, idle: Api) -> None:
    """§20 GET work-request/N/explanation/ 200; unknown 404."""
    assert user.get(f"work-request/{user.submit()['id']}/explanation/").json()
    assert user.get("work-request/999999999/explanation/").problem(404)
