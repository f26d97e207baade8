"""§19: every trap of the checklist once more, each by its number."""

import io
import json
import os
import tarfile

import pytest

from tests.wire.api import Api, path_of
from tests.wire.raw import exchange
from tests.wire.server import new_name
from tests.wire.test_section_13_categories import GOOD, declaration
from tests.wire.websocket import PING, PONG, opened
from tests.wire.workers import CONNECT, HandWorker

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)


def test_a_problem_has_no_charset(user: Api) -> None:
    """§19 1: Content-Type is exactly application/problem+json."""
    answer = user.get("artifact/999999999/")
    assert ("content-type", "application/problem+json") in [(name.lower(), value) for name, value in answer.headers]


def test_each_success_has_its_status(user: Api, worker: HandWorker) -> None:
    """§19 2: work-request 200, artifact 201, relation 201/200, completed 200 empty, metadata 204, get-next 200/204."""
    assert worker.ask_for_work().empty(204)
    worker.tell_metadata()
    number = user.post("work-request/", {"task_name": "noop", "task_data": {}}).json(200)["id"]
    worker.get(number)
    value = {**declaration("debusine:test", {}, []), "work_request": number}
    artifacts = [worker.api.post("artifact/", value).json(201) for _ in range(2)]
    relation = {"artifact": artifacts[0]["id"], "target": artifacts[1]["id"], "type": "extends"}
    assert [worker.api.post("artifact-relation/", relation).status for _ in range(2)] == [201, 200]
    assert worker.complete(number).empty(200)
    registration = {"token": os.urandom(32).hex(), "fqdn": f"{new_name()}.example.org"}
    assert user.by(None).post("worker/register/", registration).empty(201)


def test_an_artifact_is_found_without_a_slash(user: Api) -> None:
    """§19 3: /artifact/N without slash, served directly."""
    assert user.get(f"artifact/{user.declare({})['id']}").status == 200


def test_an_upload_is_told_how_far_it_is(user: Api) -> None:
    """§19 4: Range: bytes=0-N, N the byte count, on the 206 of a probe and the 200 of a chunk."""
    content = os.urandom(8)
    made = user.declare({"a": content})
    chunk = user.upload(made["id"], "a", content[:3], 0, 8)
    probe = user.probe(made["id"], "a", 8)
    assert [(each.status, each.header("Range")) for each in (chunk, probe)] == [(200, "bytes=0-3"), (206, "bytes=0-3")]


def test_an_empty_file_is_never_asked_for(user: Api) -> None:
    """§19 5: empty files are complete from the creation, in every category."""
    made = user.declare({"empty": b"", "sub/empty": b""})
    assert made["files_to_upload"] == []


def test_a_result_is_never_null(user: Api) -> None:
    """§19 6: result "", artifacts a list."""
    made = user.submit()
    listed = user.get("work-request/?page_size=1").json()["results"][0]
    assert [(each["result"], each["artifacts"]) for each in (made, listed)] == [("", []), ("", [])]


def test_urls_are_absolute_and_encoded(user: Api) -> None:
    """§19 7: file URLs percent-encoded; download_tar_gz_url, files.*.url, next absolute."""
    made = user.declare({"a b": os.urandom(3)})
    user.submit()
    user.submit()
    following = user.get("work-request/?page_size=1").json()["next"]
    for url in (made["files"]["a b"]["url"], made["download_tar_gz_url"], following):
        assert url.startswith(f"http://127.0.0.1:{user.address[1]}/")
        assert " " not in url


def test_urls_go_by_the_host_that_was_asked(user: Api) -> None:
    """§19 7, §20: absolute URLs by the Host header."""
    headers = {"Token": user.key or "", "Content-Type": "application/json", "Host": "farm.example:8080"}
    body = json.dumps(declaration("debusine:test", {}, ["a"])).encode()
    request = exchange(user.address, "POST", "/api/1.0/artifact/", headers, body)
    made = request.json(201)
    assert made["files"]["a"]["url"].startswith("http://farm.example:8080/debusine/System/")
    assert made["download_tar_gz_url"].startswith("http://farm.example:8080/debusine/System/")


def test_an_archive_is_not_encoded(user: Api) -> None:
    """§19 8: no Content-Encoding on downloads, whatever the client would accept."""
    made = user.artifact({"a": b"a" * 1000, "b": b"b" * 1000})
    for url in (made["download_tar_gz_url"], made["files"]["a"]["url"]):
        assert user.get(path_of(url), Accept_Encoding="gzip, deflate, br, zstd").all("Content-Encoding") == []


def test_fifty_mebibytes_in_one_request(user: Api) -> None:
    """§19 9: 50 MiB bodies without a Content-Type."""
    content = bytes(52_428_800)
    made = user.declare({"zeros": content})
    if made["files_to_upload"]:
        assert user.upload(made["id"], "zeros", content).empty(201)
    assert user.get(f"artifact/{made['id']}").json()["files_to_upload"] == []


def test_a_websocket_accepts_then_rejects_and_answers_pings(user: Api, idle: Api) -> None:
    """§19 10: accept, then reject by a frame; text frames; keep open; answer pings."""
    with opened(user.address, CONNECT, {"token": "nobody"}) as socket:
        assert socket.hear()["type"] == "connection_rejected"
    with opened(idle.address, CONNECT, {"token": idle.key or ""}) as socket:
        socket.send(PING, b"x")
        opcodes = [socket.frame().opcode for _ in range(3)]
        assert PONG in opcodes


def test_no_scope_is_needed_where_none_is_sent(user: Api, worker: HandWorker) -> None:
    """§19 11: workers, uploads and downloads send no X-Debusine-Scope."""
    assert worker.ask_for_work().empty(204)
    content = os.urandom(4)
    made = user.artifact({"a": content})
    assert user.get(path_of(made["files"]["a"]["url"])).body == content


def test_debug_logs_of_nothing_and_an_archive_of_nothing(user: Api, worker: HandWorker) -> None:
    """§19 12: an artifact without files is taken, its tar.gz is valid."""
    number = user.submit()["id"]
    worker.get(number)
    made = worker.api.declare({}, "debusine:work-request-debug-logs", work_request=number)
    archive = worker.api.get(path_of(made["download_tar_gz_url"]))
    with tarfile.open(fileobj=io.BytesIO(archive.body), mode="r:gz") as opened_archive:
        assert opened_archive.getnames() == []


def test_a_worker_gets_no_keys_that_it_would_not_take(user: Api, worker: HandWorker) -> None:
    """§19 13: nothing beyond §14 in task_data and dynamic_task_data."""
    handed = None
    number = user.submit("noop", {"result": True})["id"]
    handed = worker.get(number)
    assert handed["task_data"] == {"result": True}
    common = {"parameter_summary", "subject", "runtime_context", "configuration_context", "task_configuration_id"}
    assert handed["dynamic_task_data"].keys() <= common


def test_what_a_workspace_holds_is_not_sent_again(user: Api) -> None:
    """§19 14: dedup per workspace; the second POST of a relation is 200."""
    content = os.urandom(9)
    first, second = user.artifact({"a": content})["id"], user.declare({"b": content})
    assert second["files_to_upload"] == []
    value = {"artifact": first, "target": second["id"], "type": "relates-to"}
    assert [user.post("artifact-relation/", value).status for _ in range(2)] == [201, 200]


def test_the_end_of_an_aborted_one_is_tolerated(user: Api, worker: HandWorker) -> None:
    """§19 15: completed/ after an abort is 200 with no body."""
    number = user.submit()["id"]
    worker.get(number)
    assert user.post(f"work-request/{number}/abort/", {}).json()
    assert worker.complete(number).empty(200)


@pytest.mark.parametrize("category", GOOD)
def test_every_request_passes_what_stands_before_the_handlers(user: Api, category: str) -> None:
    """§19 16: middlewares let every known thing through."""
    data, files = GOOD[category]
    assert user.post("artifact/", declaration(category, data, files)).status == 201
