"""The daemon against a server that is there, away, or against it."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from debusine.domain.work_requests import Result
from debusine.plugin import RelationType, TaskContext
from debusine.protocol.resources import CompletionReport
from debusine.worker.reports import Reports
from tests.worker.conftest import StartWorker, crash, fail
from tests.worker.fake_server import FakeServer, problem

DEBUG_LOGS = "debusine:work-request-debug-logs"


async def test_a_noop_is_done_in_the_order_of_the_protocol(server: FakeServer, start_worker: StartWorker) -> None:
    server.add_work("noop", {}, id=3)
    async with start_worker():
        await server.until(lambda: server.completed and server.metadata)
    ((id_, attempt, body),) = server.completed
    assert (id_, attempt, body["result"]) == (3, "1", "success")
    assert set(body["output_data"]) == {"runtime_statistics"}
    (logs,) = server.made(DEBUG_LOGS)
    assert (logs.work_request, logs.attempt, logs.contents) == (3, "1", {})
    assert server.told_running[:2] == [("handshake", ""), ("get-next", "")]


async def test_the_machine_is_described_at_once_and_whenever_the_server_asks(
    server: FakeServer, start_worker: StartWorker
) -> None:
    async with start_worker():
        await server.until(lambda: len(server.metadata) == 1)
        await server.say(type="websocket.send", text="request_dynamic_metadata")
        await server.until(lambda: len(server.metadata) == 2)
    assert server.metadata[0]["noop:version"] == 1
    assert server.metadata[0]["system:worker_type"] == "external"
    assert server.metadata[0]["system:cpu_count"] >= 1


async def test_a_task_that_fails_ends_with_failure_and_its_stages(
    server: FakeServer, start_worker: StartWorker
) -> None:
    server.add_work("scripted", {})
    async with start_worker(fail):
        await server.until(lambda: server.completed)
    assert server.completed[0][2]["result"] == "failure"
    assert b"The package is at fault" in server.made(DEBUG_LOGS)[0].contents["stages.log"]


async def test_a_task_that_breaks_ends_with_error_and_its_traceback(
    server: FakeServer, start_worker: StartWorker
) -> None:
    server.add_work("scripted", {})
    async with start_worker(crash):
        await server.until(lambda: server.completed)
    body = server.completed[0][2]
    assert body["result"] == "error"
    assert body["output_data"]["errors"] == [{"message": "RuntimeError: a bug", "code": "execute-failed"}]
    assert b"Traceback" in server.made(DEBUG_LOGS)[0].contents["stages.log"]


@pytest.mark.parametrize(
    ("task", "data", "facts", "code"),
    [
        ("noop", {}, {"task_type": "Server"}, "wrong-task-type"),
        ("bogus", {}, {}, "setup-failed"),
        ("noop", {"bogus": 1}, {}, "configure-failed"),
        ("noop", {"result": "false"}, {}, "configure-failed"),
        ("refusing", {}, {}, "configure-failed"),
    ],
)
async def test_work_that_cannot_begin_ends_with_error_and_its_code(
    server: FakeServer,
    start_worker: StartWorker,
    task: str,
    data: dict[str, object],
    facts: dict[str, object],
    code: str,
) -> None:
    server.add_work(task, data, **facts)
    async with start_worker():
        await server.until(lambda: server.completed)
    body = server.completed[0][2]
    assert (body["result"], body["output_data"]["errors"][0]["code"]) == ("error", code)


async def test_a_run_ends_at_its_time_limit(server: FakeServer, start_worker: StartWorker) -> None:
    async def sleep(context: TaskContext) -> None:
        await context.run(["sleep", "600"], log="sleep.log")

    server.add_work("scripted", {}, timeout=1)
    async with start_worker(sleep):
        await server.until(lambda: server.completed)
    body = server.completed[0][2]
    assert body["result"] == "error"
    assert body["output_data"]["errors"] == [{"message": "It ran longer than 1 seconds", "code": "timeout"}]


async def test_a_run_ends_at_its_time_limit_whatever_the_task_makes_of_that(
    server: FakeServer, start_worker: StartWorker
) -> None:
    async def complain(context: TaskContext) -> None:
        try:
            await context.run(["sleep", "600"], log="sleep.log")
        finally:
            (context.directory / "not-there").unlink()

    server.add_work("scripted", {}, timeout=1)
    async with start_worker(complain):
        await server.until(lambda: server.completed)
    assert server.completed[0][2]["output_data"]["errors"][0]["code"] == "timeout"


async def test_inputs_come_and_artifacts_go(server: FakeServer, start_worker: StartWorker) -> None:
    source = server.add_artifact("debusine:test", {"a": 1}, {"sub/a.txt": b"hello", "empty": b""})

    async def copy(context: TaskContext) -> None:
        facts = await context.fetch(source, context.directory / "in")
        assert facts.files == {"sub/a.txt": 5, "empty": 0}
        made = await context.upload(
            "debusine:test", data=facts.data, files={"b.txt": context.directory / "in/sub/a.txt"}
        )
        await context.relate(made, source, RelationType.RELATES_TO)

    server.add_work("scripted", {})
    async with start_worker(copy):
        await server.until(lambda: server.completed)
    (copied,) = server.made("debusine:test")
    (logs,) = server.made(DEBUG_LOGS)
    assert (copied.contents, copied.data, copied.attempt) == ({"b.txt": b"hello"}, {"a": 1}, "1")
    assert server.relations == {(copied.id, source, "relates-to"), (logs.id, source, "relates-to")}


@pytest.mark.parametrize(("status", "told"), [(404, "no such file"), (410, "gone for ever"), (503, "no store has it")])
async def test_an_input_that_cannot_be_had_ends_the_attempt_soon_and_is_named(
    server: FakeServer,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    told: str,
) -> None:
    monkeypatch.setattr("debusine.client.downloads.BUSY_PATIENCE", 0.1)
    caplog.set_level("INFO")
    source = server.add_artifact("debusine:test", {}, {"sub/a.txt": b"hello"})

    async def fetch(context: TaskContext) -> None:
        await context.fetch(source, context.directory / "in")

    server.fault = lambda request: problem(status, told) if "download" in request.path else None
    server.add_work("scripted", {})
    async with start_worker(fetch):
        await server.until(lambda: server.completed)
    body = server.completed[0][2]
    (error,) = body["output_data"]["errors"]
    place = f"GET {server.url}/download/{source}/sub/a.txt"
    assert (body["result"], error["code"]) == ("error", "execute-failed")
    assert error["message"] == f"CannotFetch: Artifact {source} cannot be fetched: {told}: {place}"
    assert error["message"] in caplog.text


async def test_one_thing_is_done_at_a_time(server: FakeServer, start_worker: StartWorker) -> None:
    together = 0

    async def count(_context: TaskContext) -> None:
        nonlocal together
        together += 1
        await asyncio.sleep(0.02)
        assert together == 1
        together -= 1

    for _ in range(3):
        server.add_work("scripted", {}, id=len(server.queue) + 1)
    async with start_worker(count):
        for number in range(3):
            await server.until(partial(server.has_completed, number + 1))
            await server.announce_work()
    assert [body["result"] for _, _, body in server.completed] == ["success"] * 3


async def test_a_rejected_worker_comes_back_until_it_is_enabled(
    server: FakeServer, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = "not yet"
    async with start_worker():
        await server.until(lambda: len(server.told_running) >= 3)
        server.token = "t" * 64
        await server.until(lambda: server.metadata)
    assert "debusine-admin worker enable" in caplog.text
    assert "t" * 64 not in caplog.text


async def test_work_goes_on_while_the_server_is_away_and_is_told_afterwards(
    server: FakeServer, start_worker: StartWorker
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_context: TaskContext) -> None:
        begun.set()
        await go_on.wait()

    server.add_work("scripted", {}, id=7, attempt=2)
    async with start_worker(wait):
        await begun.wait()
        port = server.port
        await server.stop()
        go_on.set()
        await asyncio.sleep(0.2)
        server.told_running.clear()
        await server.start(port)
        await server.until(lambda: server.completed)
        await server.until(lambda: server.told_running)
    assert [(id_, attempt, body["result"]) for id_, attempt, body in server.completed] == [(7, "2", "success")]
    assert server.told_running[0] in {("handshake", "7/2"), ("handshake", "")}


async def test_a_new_connection_names_what_still_runs(server: FakeServer, start_worker: StartWorker) -> None:
    go_on = asyncio.Event()

    async def wait(_context: TaskContext) -> None:
        await go_on.wait()

    server.add_work("scripted", {}, id=7, attempt=2)
    async with start_worker(wait):
        await server.until(lambda: not server.queue and len(server.told_running) == 2)
        await server.sockets[0].close()
        await server.until(lambda: len(server.told_running) == 3)
        go_on.set()
        await server.until(lambda: server.completed)
    assert server.told_running[2] == ("handshake", "7/2")


async def test_a_result_is_told_again_until_the_server_takes_it(server: FakeServer, start_worker: StartWorker) -> None:
    answers = [500, 507, 503, 503, 503, 403]

    def refuse(request: web.Request) -> web.Response | None:
        return problem(answers.pop(0), "not now") if "completed" in request.path and answers else None

    server.fault = refuse
    server.add_work("noop", {})
    async with start_worker():
        await server.until(lambda: server.completed)
    assert len(server.completed) == 1


async def test_a_stale_result_is_dropped_and_the_next_work_is_done(
    server: FakeServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    def refuse(request: web.Request) -> web.Response | None:
        return problem(409, "stale attempt") if "/1/completed/" in request.path else None

    server.fault = refuse
    server.add_work("noop", {}, id=1)
    async with start_worker():
        await server.until(lambda: not server.queue)
        server.add_work("noop", {}, id=2)
        await server.announce_work()
        await server.until(lambda: server.completed)
    assert [id_ for id_, _, _ in server.completed] == [2]
    assert not list((tmp_path / "reports").glob("1-*"))


async def test_an_attempt_that_becomes_stale_ends_with_its_commands_and_tells_nothing(
    server: FakeServer, start_worker: StartWorker
) -> None:
    async def upload(context: TaskContext) -> None:
        await context.upload("debusine:test", data={})

    def refuse(request: web.Request) -> web.Response | None:
        stale = request.headers.get("X-Debusine-Attempt") == "1" and request.method == "POST"
        return problem(409, "stale attempt") if stale else None

    server.fault = refuse
    server.add_work("scripted", {}, id=1)
    async with start_worker(upload):
        await server.until(lambda: not server.queue)
        server.add_work("noop", {}, id=2, attempt=5)
        await server.announce_work()
        await server.until(lambda: server.completed)
    assert [id_ for id_, _, _ in server.completed] == [2]


async def test_a_result_of_an_earlier_process_is_delivered_and_named_meanwhile(
    server: FakeServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    earlier = Reports(tmp_path / "reports")
    earlier.prepare()
    earlier.keep(9, 4, CompletionReport(result=Result.FAILURE))
    async with start_worker():
        await server.until(lambda: server.completed and server.metadata)
        async with asyncio.timeout(30):
            while list((tmp_path / "reports").iterdir()):
                await asyncio.sleep(0.01)
    assert server.completed == [(9, "4", {"result": "failure"})]
    assert server.told_running[0] in {("handshake", "9/4"), ("handshake", "")}


async def test_logs_that_cannot_be_kept_do_not_cost_the_result(server: FakeServer, start_worker: StartWorker) -> None:
    server.fault = lambda request: problem(413, "too large") if request.method == "POST" else None
    server.add_work("noop", {})
    async with start_worker():
        await server.until(lambda: server.completed)
    assert server.completed[0][2]["result"] == "success"


async def test_a_full_server_is_waited_for(
    server: FakeServer, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debusine.worker.context.ROOM_INTERVAL", 0.01)
    answers = [507, 507]

    def refuse(request: web.Request) -> web.Response | None:
        return problem(answers.pop(0), "full") if request.method in {"POST", "PUT"} and answers else None

    async def upload(context: TaskContext) -> None:
        await context.upload("debusine:test", data={})

    server.add_work("scripted", {})
    async with start_worker(upload):
        await server.until(lambda: server.metadata)
        server.fault = refuse
        server.add_work("scripted", {}, id=2)
        await server.announce_work()
        await server.until(partial(server.has_completed, 2))
    assert [body["result"] for _, _, body in server.completed] == ["success", "success"]
    assert answers == []


async def test_a_run_leaves_nothing_in_the_work_directory(
    server: FakeServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    async def litter(context: TaskContext) -> None:
        (context.directory / "file").write_text("x")

    server.add_work("scripted", {})
    async with start_worker(litter):
        await server.until(lambda: server.completed)
    assert not (tmp_path / "runs").exists()


async def test_a_server_that_counts_no_attempts_is_served_as_well(
    server: FakeServer, start_worker: StartWorker
) -> None:
    server.add_work("noop", {"result": False}, attempt=None, timeout=None, dynamic_task_data=None)
    async with start_worker():
        await server.until(lambda: server.completed)
    assert [(attempt, body["result"]) for _, attempt, body in server.completed] == [(None, "failure")]


async def test_messages_that_mean_nothing_are_ignored(server: FakeServer, start_worker: StartWorker) -> None:
    server.greetings = [{"text": "sing"}, {"reason": "because"}, {"reason_code": "UNKNOWN"}, {"text": 7}, {}]
    async with start_worker():
        await server.until(lambda: server.metadata)
        server.add_work("noop", {})
        await server.announce_work()
        await server.until(lambda: server.completed)
    assert [body["result"] for _, _, body in server.completed] == ["success"]
    assert len(server.sockets) == 1
