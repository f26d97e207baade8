"""§1: base URL, authentication, scope; and who may ask for what."""

import hashlib
import os
import socket

import pytest

from tests.e2e.farm import eventually
from tests.wire.api import Api, file_path, path_of
from tests.wire.raw import PATIENCE, exchange, read_answer, request_bytes
from tests.wire.server import Server, new_name
from tests.wire.websocket import opened
from tests.wire.workers import CONNECT, HandWorker

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)


@pytest.mark.parametrize("name", ["Token", "token", "TOKEN"])
def test_the_key_comes_in_the_header_token_in_any_case(user: Api, name: str) -> None:
    """§1 header Token."""
    answer = exchange(user.address, "GET", "/api/1.0/work-request/", {name: user.key or ""})
    assert answer.json()["results"] is not None


def test_without_a_key_one_is_anonymous(user: Api, nobody: Api, public: str) -> None:
    """§1 no token: public things are read, others hidden, nothing is made."""
    seen = user.artifact(workspace=public)
    hidden = user.artifact()
    assert nobody.get(f"artifact/{seen['id']}/").status == 200
    assert nobody.get(f"artifact/{hidden['id']}/").problem(404)
    assert nobody.post("artifact/", {"category": "debusine:test", "data": {}}).problem(403)
    assert nobody.post("work-request/", {"task_name": "noop", "task_data": {}}).problem(403)


@pytest.mark.parametrize("path", ["artifact", "work-request", "artifact-relation"])
def test_an_address_ends_with_a_slash(user: Api, path: str) -> None:
    """§1 endpoints end with a slash, artifact/N apart."""
    assert user.post(path, {}).problem(404)


@pytest.mark.parametrize("slash", ["/", ""])
def test_a_description_is_found_with_and_without_the_last_slash(user: Api, slash: str) -> None:
    """§1 GET artifact/N without the slash."""
    made = user.artifact()
    assert user.get(f"artifact/{made['id']}{slash}").json() == made


def test_a_disabled_token_is_no_token(server: Server, user: Api) -> None:
    """§1 disabled tokens count as none: 403."""
    name = new_name()
    worker = user.by(server.worker_key(f"{name}.example.org"))
    assert worker.ask("GET", "work-request/get-next-for-worker/").empty(204)
    server.operate("worker disable", name=f"{name}-example-org")
    assert worker.ask("GET", "work-request/get-next-for-worker/").problem(403)


def test_a_users_token_that_is_disabled_or_over_is_no_token(server: Server, user: Api) -> None:
    """§1 disabled and expired tokens of users count as none: 403 on the next request."""
    name = new_name()
    server.operate("user create", name=name)
    key = server.operate("token create", user=name)["key"]
    short = user.by(server.operate("token create", user=name, expires_in="1")["key"])
    assert user.by(key).get("work-request/").status == 200
    server.operate("token disable", token=hashlib.sha256(key.encode()).hexdigest())
    assert user.by(key).get("work-request/").problem(403)
    eventually("its second is over", lambda: short.get("work-request/").status == 403 or None, PATIENCE)
    assert short.get("work-request/").problem(403)


def test_an_unknown_key_is_no_token(user: Api) -> None:
    """§1 unknown token: 403."""
    assert user.by("0123456789abcdef" * 4).get("work-request/").problem(403)


def test_a_key_has_64_hexadecimal_digits(user: Api) -> None:
    """§1 keys: 64 hex characters."""
    assert len(bytes.fromhex(user.key or "")) == 32


@pytest.mark.parametrize("headers", [{}, {"X-Debusine-Scope": "debusine"}])
def test_the_scope_may_be_named_or_left_out(user: Api, headers: dict[str, str]) -> None:
    """§1 X-Debusine-Scope: absent is the default."""
    assert user.post("artifact/", {"category": "debusine:test", "data": {}}, **headers).json(201)["scope"] == "debusine"


def test_another_scope_is_not_there(user: Api) -> None:
    """§1 X-Debusine-Scope: an unknown scope is 404."""
    assert user.get("work-request/", X_Debusine_Scope="elsewhere").problem(404)


def test_a_request_without_a_workspace_means_the_default_one(user: Api) -> None:
    """§1 default workspace System."""
    assert user.declare({})["workspace"] == "System"
    assert user.submit()["workspace"] == "System"


def test_uploads_downloads_and_workers_need_no_scope(user: Api, worker: HandWorker) -> None:
    """§1 no scope header on PUTs of files, downloads, websockets, nor from workers."""
    content = os.urandom(10)
    work_request = user.submit()["id"]
    worker.get(work_request)
    made = worker.api.declare({"a": content}, workspace="System", work_request=work_request)
    # As the upload code sends it: no scope, no Content-Type.
    answer = exchange(
        user.address,
        "PUT",
        f"/api/1.0/{file_path(made['id'], 'a')}",
        {"token": worker.api.key or "", "Content-Range": "bytes 0-9/10"},
        content,
    )
    assert answer.empty(201)
    url = path_of(made["files"]["a"]["url"])
    assert exchange(user.address, "GET", url, {"Token": user.key or ""}).body == content


def test_the_workspace_of_a_workers_artifact_is_that_of_its_work_request(
    user: Api, worker: HandWorker, public: str
) -> None:
    """§1 an artifact with work_request is made in that work request's scope and workspace."""
    work_request = user.submit(workspace=public)["id"]
    worker.get(work_request)
    assert worker.api.declare({}, workspace=public, work_request=work_request)["workspace"] == public


def test_a_json_body_says_that_it_is_json(user: Api) -> None:
    """§1 Content-Type application/json on JSON requests."""
    assert user.post("work-request/", {"task_name": "noop", "task_data": {}}).status == 200
    assert user.ask("POST", "work-request/", b"{}", {"Content-Type": "text/plain"}).problem(415)


def test_the_place_of_the_websockets_is_beside_the_api(idle: Api) -> None:
    """§1 websockets: /api/ws/1.0/…."""
    with opened(idle.address, CONNECT, {"token": idle.key or ""}) as socket:
        assert socket.answer.status == 101


#: Endpoint, with what; who may not: a user, a worker, nobody.
FORBIDDEN = [
    ("GET", "work-request/get-next-for-worker/", None, "user nobody"),
    ("PUT", "work-request/1/completed/", {"result": "success"}, "user nobody"),
    ("PUT", "worker/dynamic-metadata/", {}, "user nobody"),
    ("GET", "work-request/", None, "nobody"),
    ("POST", "work-request/", {"task_name": "noop", "task_data": {}}, "worker nobody"),
    ("PATCH", "work-request/1/", {"priority_adjustment": 0}, "worker nobody"),
    ("POST", "work-request/1/retry/", {}, "worker nobody"),
    ("POST", "work-request/1/abort/", {}, "worker nobody"),
    ("POST", "artifact/", {"category": "debusine:test", "data": {}}, "worker nobody"),
    ("PUT", "artifact/1/files/a/", None, "nobody"),
    ("POST", "artifact-relation/", {"artifact": 1, "target": 2, "type": "extends"}, "nobody"),
    ("DELETE", "artifact-relation/1/", None, "nobody"),
]


@pytest.mark.parametrize(("method", "path", "value", "who"), FORBIDDEN, ids=lambda value: str(value)[:40])
def test_who_may_not_is_told_so(user: Api, idle: Api, method: str, path: str, value: object, who: str) -> None:
    """§1 permission table: 403, or 404 where even the being of a thing is hidden."""
    user.submit()
    callers = {"user": user, "worker": idle, "nobody": user.by(None)}
    for name in who.split():
        caller = callers[name]
        answer = caller.ask(method, path) if value is None else caller.send(method, path, value)
        assert answer.status in ({403, 404} if name == "worker" else {403}), (name, answer)
        assert answer.problem(answer.status)


def test_anybody_may_register(nobody: Api) -> None:
    """§1 permission table: POST worker/register/ needs nothing."""
    value = {"token": os.urandom(32).hex(), "fqdn": f"{new_name()}.example.org", "worker_type": "external"}
    assert nobody.post("worker/register/", value).empty(201)


def test_a_worker_reads_what_it_was_handed(user: Api, worker: HandWorker) -> None:
    """§1 permission table: GET work-request/N/ and artifact with a worker's token."""
    source = user.artifact()
    work_request = user.submit()["id"]
    worker.get(work_request)
    made = worker.api.declare({}, work_request=work_request)
    assert worker.api.get(f"work-request/{work_request}/").json()["id"] == work_request
    assert worker.api.get(f"artifact/{made['id']}").json()["id"] == made["id"]
    assert worker.api.get(f"artifact/{source['id']}").problem(404)


def test_one_connection_serves_one_request_after_the_other_whatever_their_answers(user: Api) -> None:
    """§1 clients keep their connection, also after an answer that came before the body was read."""
    requests = (
        ("POST", "/api/1.0/work-request/", b"{}" * 5000, 400),
        ("GET", "/api/1.0/work-request/", None, 200),
        ("PUT", "/api/1.0/artifact/999999999/files/a/", b"x" * 200_000, 404),
        ("GET", "/api/1.0/limits/", None, 200),
    )
    headers = {"Token": user.key or "", "Content-Type": "application/json"}
    with socket.create_connection(user.address, timeout=60) as connection:
        for method, target, body, status in requests:
            connection.sendall(request_bytes(user.address, method, target, headers, body) + (body or b""))
            assert read_answer(connection, method).status == status
