"""§9: who watches hears of every end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import quote

import pytest

from tests.wire.api import SOCKETS, Api
from tests.wire.server import Server, new_name
from tests.wire.websocket import PING, PONG, Websocket, opened
from tests.wire.workers import HandWorker

WATCH = f"{SOCKETS}work-request/on-completed/"
CONNECTED = {"type": "websocket.send", "text": "connected"}


@contextmanager
def watching(api: Api, query: str = "") -> Iterator[Websocket]:
    """A socket on which completions are heard, after its first message."""
    with opened(api.address, WATCH + query, {} if api.key is None else {"Token": api.key}) as socket:
        assert socket.hear() == CONNECTED
        yield socket


def done(user: Api, worker: HandWorker, result: str = "success", **more: object) -> int:
    """A work request that has ended."""
    number = int(user.submit(**more)["id"])  # type: ignore[arg-type]
    worker.get(number)
    assert worker.complete(number, result).empty(200)
    return number


@pytest.mark.parametrize("result", ["success", "failure", "error"])
def test_an_end_is_told(user: Api, worker: HandWorker, result: str) -> None:
    """§9 connected, then work_request_completed with id, completed_at, result."""
    with watching(user) as socket:
        number = done(user, worker, result)
        assert socket.hear() == {
            "type": "websocket.send",
            "text": "work_request_completed",
            "work_request_id": number,
            "completed_at": user.work_request(number)["completed_at"],
            "result": result,
        }


def test_skipped_and_aborted_ones_are_not_told(user: Api, worker: HandWorker) -> None:
    """§9 not for aborted, nor skipped."""
    with watching(user) as socket:
        done(user, worker, "skipped")
        aborted = user.submit()["id"]
        assert user.post(f"work-request/{aborted}/abort/", {}).json()
        told = done(user, worker)
        assert socket.hear()["work_request_id"] == told


def test_what_ended_meanwhile_is_told_first_the_oldest_first(user: Api, worker: HandWorker) -> None:
    """§9 completed_at_since: strictly after it, oldest first, then live ones."""
    numbers = [done(user, worker) for _ in range(4)]
    since = quote(user.work_request(numbers[0])["completed_at"])
    with watching(user, f"?completed_at_since={since}") as socket:
        assert [socket.hear()["work_request_id"] for _ in range(3)] == numbers[1:]
        live = done(user, worker)
        assert socket.hear()["work_request_id"] == live


def test_the_moment_may_be_written_with_a_plus(user: Api, worker: HandWorker) -> None:
    """§9 completed_at_since: + arrives as %2B."""
    first, second = (done(user, worker) for _ in range(2))
    since = datetime.fromisoformat(user.work_request(first)["completed_at"]).isoformat()
    assert since.endswith("+00:00")
    with watching(user, f"?completed_at_since={quote(since)}") as socket:
        assert socket.hear()["work_request_id"] == second


def test_only_the_given_workspaces_are_told(server: Server, user: Api, worker: HandWorker) -> None:
    """§9 workspaces=a,b."""
    names = [new_name() for _ in range(3)]
    for name in names:
        server.operate("workspace create", name=name)
    with watching(user, f"?workspaces={names[0]},{names[1]}") as socket:
        done(user, worker, workspace=names[2])
        done(user, worker)
        told = [done(user, worker, workspace=name) for name in names[:2]]
        assert [socket.hear()["work_request_id"] for _ in range(2)] == told


@pytest.mark.parametrize(
    "ask",
    [
        lambda user: (user.by("0" * 64), ""),
        lambda user: (user, "?workspaces=nowhere"),
        lambda user: (user.by(None), "?workspaces=System"),
        lambda user: (user, "?completed_at_since=yesterday"),
    ],
    ids=["bad token", "unknown workspace", "hidden workspace", "no moment"],
)
def test_who_is_refused_hears_why(user: Api, ask: Callable[[Api], tuple[Api, str]]) -> None:
    """§9 refusal: 101, connection_rejected with a reason and no reason_code, close."""
    api, query = ask(user)
    with opened(api.address, WATCH + query, {} if api.key is None else {"Token": api.key}) as socket:
        message = socket.hear()
        assert isinstance(message.pop("reason"), str)
        assert message == {"type": "connection_rejected"}
        socket.hear_end()


def test_what_one_may_not_see_is_not_told(user: Api, nobody: Api, worker: HandWorker, public: str) -> None:
    """§9 we check that the user may see them."""
    with watching(nobody, f"?workspaces={public}") as socket:
        done(user, worker)
        seen = done(user, worker, workspace=public)
        assert socket.hear()["work_request_id"] == seen


def test_pings_are_answered(user: Api) -> None:
    """§9 the client pings every 60 s."""
    with watching(user) as socket:
        socket.send(PING, b"still there?")
        while (frame := socket.frame()).opcode != PONG:
            pass
        assert frame.payload == b"still there?"


def test_a_second_watcher_hears_the_same(user: Api, worker: HandWorker) -> None:
    """§9 every watcher hears of every end."""
    with watching(user) as one, watching(user) as two:
        number = done(user, worker)
        assert one.hear() == two.hear()
        assert user.work_request(number)["status"] == "completed"
