"""A worker that hears that nobody wants what it runs: it ends that, tells nothing, and takes the next work."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from debusine.plugin import TaskContext
from tests.worker.conftest import StartWorker
from tests.worker.fake_server import FakeServer, problem


def word(work_request: int, attempt: int = 1) -> dict[str, Any]:
    return {
        "type": "websocket.send",
        "text": "work_request_aborted",
        "work_request_id": work_request,
        "attempt": attempt,
    }


def hang(begun: asyncio.Event) -> Any:
    """A task that runs a command for ten minutes."""

    async def run(context: TaskContext) -> None:
        command = asyncio.ensure_future(context.run(["sleep", "600"], log="sleep.log"))
        begun.set()
        await command

    return run


async def do_next(server: FakeServer, id_: int = 2) -> None:
    """Have some other work done."""
    server.add_work("noop", {}, id=id_)
    await server.announce_work()
    await server.until(lambda: server.completed)


async def test_what_runs_ends_nothing_is_told_and_the_next_work_is_done(
    server: FakeServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    begun = asyncio.Event()
    server.add_work("scripted", {}, id=1)
    async with start_worker(hang(begun)):
        await begun.wait()
        await server.say(**word(1))
        await server.until(lambda: ("get-next", "") in server.told_running[2:])  # the server learns that it is free
        await do_next(server)
    assert [id_ for id_, _, _ in server.completed] == [2]
    assert not (tmp_path / "runs").exists()
    assert not list((tmp_path / "reports").glob("1-*"))


async def test_the_word_may_come_before_the_work(server: FakeServer, start_worker: StartWorker) -> None:
    ran = []

    async def run(_context: TaskContext) -> None:
        ran.append(True)

    server.greetings = [word(1)]
    server.add_work("scripted", {}, id=1)
    async with start_worker(run):
        await server.until(lambda: not server.queue)
        await do_next(server)
    assert ran == []
    assert [id_ for id_, _, _ in server.completed] == [2]


async def test_the_word_about_something_else_ends_nothing(server: FakeServer, start_worker: StartWorker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_context: TaskContext) -> None:
        begun.set()
        await go_on.wait()

    server.add_work("scripted", {}, id=1, attempt=2)
    async with start_worker(wait):
        await begun.wait()
        for other in (word(1, 1), word(2, 2), {"text": "work_request_aborted"}, {**word(1, 2), "work_request_id": "1"}):
            await server.say(**other)
        await server.say(text="request_dynamic_metadata")
        await server.until(lambda: len(server.metadata) == 2)  # all of it was heard
        go_on.set()
        await server.until(lambda: server.has_completed(1))
    assert server.completed[0][2]["result"] == "success"


async def test_an_idle_worker_asks_for_work_so_that_the_server_knows_it_is_free(
    server: FakeServer, start_worker: StartWorker
) -> None:
    async with start_worker():
        await server.until(lambda: server.metadata)
        server.told_running.clear()
        await server.say(**word(7, 3))
        await server.until(lambda: server.told_running)
    assert server.told_running == [("get-next", "")]


async def test_a_task_that_will_not_hear_is_told_again(server: FakeServer, start_worker: StartWorker) -> None:
    begun, words = asyncio.Event(), []

    async def cling(context: TaskContext) -> None:
        for _ in range(3):
            try:
                begun.set()
                await context.run(["sleep", "600"], log="sleep.log")
            except asyncio.CancelledError:
                words.append("heard")

    def refuse(request: web.Request) -> web.Response | None:
        return problem(409, "stale attempt") if "/1/completed/" in request.path else None

    server.fault = refuse
    server.add_work("scripted", {}, id=1)
    async with start_worker(cling) as daemon:
        daemon.insistence = 0.0
        for number in range(3):
            await begun.wait()
            await server.say(**word(1))
            async with asyncio.timeout(30):
                while len(words) == number:
                    await asyncio.sleep(0.01)
        await do_next(server)
    assert [id_ for id_, _, _ in server.completed] == [2]


async def test_a_run_that_ends_its_processes_in_order_is_not_disturbed_in_that(
    server: FakeServer, start_worker: StartWorker
) -> None:
    begun, ending, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    words = []

    async def end_in_order(_context: TaskContext) -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            words.append("first")
            ending.set()
            try:
                await ended.wait()
            except asyncio.CancelledError:
                words.append("second")
            raise

    server.add_work("scripted", {}, id=1)
    async with start_worker(end_in_order) as daemon:
        daemon.insistence = 60.0
        await begun.wait()
        await server.say(**word(1))
        await ending.wait()
        await server.say(**word(1))
        await server.say(text="request_dynamic_metadata")
        await server.until(lambda: len(server.metadata) == 2)  # the second word was heard, too
        ended.set()
        await do_next(server)
    assert words == ["first"]


async def test_an_upload_under_way_is_broken_off(server: FakeServer, start_worker: StartWorker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def upload(context: TaskContext) -> None:
        begun.set()
        await context.upload("debusine:test", data={})

    def full(request: web.Request) -> web.Response | None:
        return problem(507, "full") if request.method == "POST" and not go_on.is_set() else None

    server.fault = full  # a full server is waited for, for a minute at a time
    server.add_work("scripted", {}, id=1)
    async with start_worker(upload):
        await begun.wait()
        await server.say(**word(1))
        await server.until(lambda: ("get-next", "") in server.told_running[2:])
        go_on.set()
        await do_next(server)
    assert [id_ for id_, _, _ in server.completed] == [2]
    assert server.made("debusine:test") == []


async def test_a_result_that_is_not_wanted_any_more_frees_the_worker(
    server: FakeServer, start_worker: StartWorker
) -> None:
    server.fault = lambda request: problem(409, "stale attempt") if "completed" in request.path else None
    server.add_work("noop", {}, id=1)
    async with start_worker():
        # It asks again by itself, naming nothing.
        await server.until(lambda: server.told_running.count(("get-next", "")) == 2)
    assert server.completed == []


async def test_a_worker_that_stops_in_an_abort_stops(server: FakeServer, start_worker: StartWorker) -> None:
    begun = asyncio.Event()
    server.add_work("scripted", {}, id=1)
    async with start_worker(hang(begun)):
        await begun.wait()
        await server.say(**word(1))
    assert server.completed == []
