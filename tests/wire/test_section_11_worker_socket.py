"""§11: what workers hear, frame by frame."""

import pytest

from tests.e2e.farm import eventually
from tests.wire.api import Api
from tests.wire.raw import PATIENCE
from tests.wire.server import Server, new_name
from tests.wire.websocket import PING, PONG, opened
from tests.wire.workers import CONNECT, HandWorker, connected

CONNECTED = {"type": "websocket.send", "text": "connected"}
METADATA_WANTED = {"type": "websocket.send", "text": "request_dynamic_metadata"}
WORK = {"type": "websocket.send", "text": "work_request_available"}


def test_a_worker_hears_first_that_it_is_connected_then_that_it_is_asked(idle: Api) -> None:
    """§11 101, then text frames: connected, request_dynamic_metadata."""
    with opened(idle.address, CONNECT, {"token": idle.key or ""}) as socket:
        assert [socket.hear(), socket.hear()] == [CONNECTED, METADATA_WANTED]


@pytest.mark.parametrize("token", [{}, {"token": "0" * 64}, {"token": ""}], ids=["none", "unknown", "empty"])
def test_a_bad_token_is_told_so_after_the_handshake(idle: Api, token: dict[str, str]) -> None:
    """§11 101 even for bad tokens; connection_rejected, reason_code TOKEN_DISABLED, then a close."""
    with opened(idle.address, CONNECT, token) as socket:
        message = socket.hear()
        reason = message.pop("reason")
        assert message == {"type": "connection_rejected", "reason_code": "TOKEN_DISABLED"}
        assert isinstance(reason, str)
        assert socket.hear_end() is not None


def test_a_disabled_token_and_a_users_are_bad_ones(server: Server, user: Api) -> None:
    """§11 disabled, and not a worker's: connection_rejected."""
    name = new_name()
    worker = server.worker_key(f"{name}.example.org")
    server.operate("worker disable", name=f"{name}-example-org")
    for key in (worker, user.key or ""):
        with opened(user.address, CONNECT, {"token": key}) as socket:
            assert socket.hear()["reason_code"] == "TOKEN_DISABLED"
            assert socket.hear_end() is not None


def test_a_worker_that_is_enabled_meanwhile_gets_in_the_next_time(server: Server, user: Api) -> None:
    """§11 the order on the wire: rejected … enabled, connected, asked, metadata 204, work, 200, artifact 201, 200."""
    name = new_name()
    registration = {"token": "ab" * 28 + name[1:], "fqdn": f"{name}.example.org", "worker_type": "external"}
    assert user.by(None).post("worker/register/", registration).empty(201)
    worker = user.by(str(registration["token"]))
    with opened(worker.address, CONNECT, {"token": worker.key or ""}) as socket:
        assert "reason_code" in socket.hear()
    user.abort_everything()
    number = user.submit()["id"]
    server.operate("worker enable", name=f"{name}-example-org")
    with connected(worker) as enabled:
        enabled.get(number)
        worker.declare({}, "debusine:work-request-debug-logs", work_request=number, workspace="System")
        assert enabled.complete(number).empty(200)
    assert user.work_request(number)["result"] == "success"


def test_a_connected_worker_hears_that_its_token_was_disabled(server: Server, user: Api) -> None:
    """§11 connection_closed, reason_code TOKEN_DISABLED, then a close."""
    name = new_name()
    with connected(user.by(server.worker_key(f"{name}.example.org"))) as worker:
        server.operate("worker disable", name=f"{name}-example-org")
        message = worker.socket.hear()
        assert message.pop("reason")
        assert message == {"type": "connection_closed", "reason_code": "TOKEN_DISABLED"}
        assert worker.socket.hear_end() is not None


def test_work_is_announced(user: Api, worker: HandWorker) -> None:
    """§11 work_request_available."""
    user.submit()
    assert worker.socket.hear() == WORK


def test_work_is_announced_again_until_it_is_fetched(user: Api, worker: HandWorker) -> None:
    """§11 one notification is not relied on; §20 repeated at every sweep."""
    number = user.submit()["id"]
    assert [worker.socket.hear() for _ in range(3)] == [WORK] * 3
    assert worker.ask_for_work().json()["id"] == number


def test_work_that_is_assigned_is_announced_on_the_next_connection(user: Api, idle: Api) -> None:
    """§11 on connect: work_request_available when something runs or is assigned."""
    with connected(idle) as worker:
        number = user.submit()["id"]
        worker.get(number)
    with opened(idle.address, CONNECT, {"token": idle.key or ""}) as socket:
        assert [socket.hear() for _ in range(3)] == [CONNECTED, METADATA_WANTED, WORK]
        again = HandWorker(idle, socket)
        answer = again.ask_for_work()
        handed = answer.json() if answer.status == 200 else again.get(number)
        assert (handed["id"], handed["attempt"]) == (number, 2)


def test_pings_are_answered(idle: Api) -> None:
    """§11 the worker pings every 60 s and wants its pong, with the same bytes."""
    with opened(idle.address, CONNECT, {"token": idle.key or ""}) as socket:
        socket.send(PING, b"are you there?")
        while (frame := socket.frame()).opcode != PONG:
            pass
        assert frame.payload == b"are you there?"


def test_whether_a_worker_is_connected_is_written_down(server: Server, user: Api) -> None:
    """§11 connected_at while there is a socket."""
    name = new_name()

    def connected_at() -> object:
        rows = server.operate("worker list")
        return next(row["connected_at"] for row in rows if row["name"] == f"{name}-example-org")

    key = server.worker_key(f"{name}.example.org")
    assert connected_at() is None
    with connected(user.by(key)):
        assert connected_at() is not None
    eventually("the server hears of the end", lambda: connected_at() is None or None, PATIENCE)


def test_the_newer_of_two_sockets_counts(idle: Api) -> None:
    """§11 a worker that connects again while its old connection hangs."""
    with connected(idle) as older, connected(idle) as newer:
        assert "reason" in older.socket.hear()
        older.socket.hear_end()
        newer.tell_metadata()


def test_a_worker_says_nothing_and_what_it_says_is_ignored(user: Api, worker: HandWorker) -> None:
    """§11 worker → server: no messages at all."""
    worker.socket.send(0x1, b"hello")
    number = user.submit()["id"]
    assert worker.get(number)["id"] == number


def test_debug_logs_with_no_files_are_taken(user: Api, worker: HandWorker) -> None:
    """§11 debug logs: an artifact without files, related to what was fetched."""
    source = user.artifact({"a": b"a"})
    number = user.submit("blhc", {"input": {"artifact": log(user)}})["id"]
    handed = worker.get(number)
    fetched = handed["dynamic_task_data"]["input_artifact_id"]
    assert worker.api.get(f"artifact/{fetched}").json()["category"] == "debian:package-build-log"
    assert worker.api.get(f"artifact/{source['id']}").problem(404)  # no input of this work request
    value = {
        "category": "debusine:work-request-debug-logs",
        "workspace": "System",
        "files": {},
        "data": {},
        "work_request": number,
        "expire_at": None,
    }
    made = worker.api.post("artifact/", value).json(201)
    assert made["files_to_upload"] == []
    relation = {"artifact": made["id"], "target": fetched, "type": "relates-to"}
    assert worker.api.post("artifact-relation/", relation).json(201)


def log(user: Api) -> int:
    """A build log."""
    data = {"source": "hello", "version": "1", "filename": "hello_1_amd64.build"}
    made = user.artifact({"hello_1_amd64.build": b"log"}, category="debian:package-build-log", data=data)
    return int(made["id"])
