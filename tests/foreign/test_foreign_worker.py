"""A worker that knows the protocol alone: its whole life, its restarts, its late answers."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.farm import eventually
from tests.foreign.processes import ForeignClient, ForeignWorker, foreign_worker
from tests.foreign.task_classes import CLASSES
from tests.wire.api import Api, Json
from tests.wire.invented import invented, requests
from tests.wire.raw import PATIENCE
from tests.wire.server import Server, new_name
from tests.wire.workers import HandWorker, connected

pytestmark = pytest.mark.e2e

DEBUG_LOGS = "debusine:work-request-debug-logs"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / new_name()
    path.mkdir()
    return path


def ended(api: Api, number: int) -> Json:
    """A work request after its end."""

    def look() -> Json | None:
        found = api.work_request(number)
        return found if found["status"] == "completed" else None

    return eventually(f"work request {number} is completed", look, PATIENCE)


def attempt_of(api: Api, number: int) -> Any:
    """Which attempt runs."""
    return api.work_request(number)["attempt"]


def held(worker: ForeignWorker, api: Api, number: int, attempt: int = 1) -> None:
    """Wait until a worker with --hold is in the middle of a work request."""
    eventually("it runs", lambda: attempt_of(api, number) == attempt or None, PATIENCE)
    waiting = worker.home / f"waiting-{number}"
    eventually("it waits", lambda: waiting.exists() or None, PATIENCE)
    waiting.unlink()


def go_on(worker: ForeignWorker) -> None:
    """Let it go on."""
    (worker.home / "go-on").touch()


def test_a_new_worker_waits_until_it_is_enabled_and_then_works(
    server: Server, api: Api, client: ForeignClient, home: Path
) -> None:
    number = client.run("create-work-request", "noop", given={"result": True}).yaml()["work_request_id"]
    with foreign_worker(home, server) as worker:
        worker.until_it_says("The token is disabled", times=2)  # it comes again and again
        name = f"{home.name}-example-org"
        assert not next(row for row in server.operate("worker list") if row["name"] == name)["enabled"]
        server.operate("worker enable", name=name)
        worker.until_it_says("Connected to")
        worker.until_it_says("Metadata: 204", times=2)  # it is asked again and again
        worker.until_it_says(f"Completed {number} success")
    shown = client.run("show-work-request", number).yaml()
    assert (shown["status"], shown["result"]) == ("completed", "success")
    assert [(artifact["category"], artifact["files"]) for artifact in shown["artifacts"]] == [(DEBUG_LOGS, {})]
    assert (home / ".config/debusine/worker/token").stat().st_mode & 0o777 == 0o600


def test_a_worker_does_one_thing_after_the_other(server: Server, api: Api, home: Path) -> None:
    numbers = [api.submit("noop", {"result": index % 2 == 0})["id"] for index in range(6)]
    with foreign_worker(home, server, key=server.worker_key()) as worker:
        results = [ended(api, number)["result"] for number in numbers]
        assert worker.alive
    assert results == ["success", "failure"] * 3
    completed = [int(number) for number in re.findall(r"Completed (\d+)", worker.log.read_text())]
    assert completed == numbers


def test_what_a_stopped_worker_had_comes_again(server: Server, api: Api, home: Path) -> None:
    number = api.submit()["id"]
    with foreign_worker(home, server, "--hold", key=server.worker_key()) as worker:
        held(worker, api, number)
        assert worker.stop() == 1
        assert api.work_request(number)["result"] == ""  # it told nobody
        go_on(worker)
        worker.start()
        done = ended(api, number)
    assert (done["result"], done["attempt"]) == ("success", 2)
    assert len(done["artifacts"]) == 1


def test_a_worker_outlives_the_death_of_the_server(server: Server, api: Api, home: Path) -> None:
    number = api.submit()["id"]
    with foreign_worker(home, server, "--hold", key=server.worker_key()) as worker:
        held(worker, api, number)
        server.kill()
        server.start()
        worker.until_it_says("Connected to", times=2)
        go_on(worker)
        done = ended(api, number)
        assert worker.alive
    assert (done["result"], done["attempt"]) == ("success", 1)


def test_a_worker_that_cannot_report_ends_and_its_next_start_does_it_again(
    server: Server, api: Api, home: Path
) -> None:
    number = api.submit()["id"]
    with foreign_worker(home, server, "--hold", key=server.worker_key()) as worker:
        held(worker, api, number)
        server.kill()
        go_on(worker)
        assert worker.end() == 1
        server.start()
        worker.start()
        done = ended(api, number)
    assert (done["result"], done["attempt"]) == ("success", 2)


def test_an_aborted_worker_lives_on(server: Server, api: Api, client: ForeignClient, home: Path) -> None:
    number = api.submit()["id"]
    with foreign_worker(home, server, "--hold", key=server.worker_key()) as worker:
        held(worker, api, number)
        assert client.run("abort-work-request", number).status == 0
        go_on(worker)
        worker.until_it_says(f"Completed {number} success")
        following = api.submit()["id"]
        assert ended(api, following)["result"] == "success"
        assert worker.alive
    shown = api.work_request(number)
    assert (shown["status"], shown["result"], shown["artifacts"]) == ("aborted", "", [])


def test_a_worker_that_takes_too_long_is_not_told_and_may_go_on(server: Server, api: Api, home: Path) -> None:
    number = api.submit(timeout=1)["id"]
    with foreign_worker(home, server, "--hold", key=server.worker_key()) as worker:
        held(worker, api, number)
        assert ended(api, number)["result"] == "error"
        go_on(worker)
        worker.until_it_says(f"Completed {number} success")
        assert ended(api, api.submit()["id"])["result"] == "success"
        assert worker.alive
    assert api.work_request(number)["result"] == "error"


def test_late_and_repeated_answers_change_nothing(server: Server, api: Api) -> None:
    number = api.submit()["id"]
    late = api.by(server.worker_key())
    with connected(late) as worker:
        worker.get(number)
        early = late.declare({}, DEBUG_LOGS, work_request=number)["id"]
    eventually("it is lost", lambda: api.work_request(number)["status"] == "pending" or None, PATIENCE)
    with connected(api.by(server.worker_key())) as second:
        assert second.get(number)["attempt"] == 2
        made = late.artifact({"late.txt": b"late"}, work_request=number)["id"]
        assert late.post("artifact-relation/", {"artifact": made, "target": early, "type": "relates-to"}).json(201)
        assert late.put(f"work-request/{number}/completed/", {"result": "failure"}).empty(200)
        assert api.work_request(number)["status"] == "running"
        kept = second.api.declare({}, DEBUG_LOGS, work_request=number)["id"]
        for _ in range(2):
            assert second.complete(number).empty(200)
    assert late.put(f"work-request/{number}/completed/", {"result": "failure"}).empty(200)
    shown = api.work_request(number)
    assert (shown["result"], shown["attempt"], shown["artifacts"]) == ("success", 2, [kept])
    assert api.get(f"artifact/{made}/").status == 200


def test_who_never_had_it_is_told_so(server: Server, api: Api) -> None:
    number = api.submit()["id"]
    with connected(api.by(server.worker_key())) as worker:
        worker.get(number)
        stranger = HandWorker(api.by(server.worker_key()), worker.socket)
        assert stranger.complete(number).problem(401)
        assert stranger.complete(999_999_999).problem(404)
        assert worker.complete(number).empty(200)


def test_every_worker_task_is_handed_to_one_that_can_run_it(server: Server, api: Api, home: Path) -> None:
    tasks = requests(invented(api))
    assert tasks.keys() == CLASSES.keys()
    numbers = {task: api.submit(task, data)["id"] for task, data in tasks.items()}
    with foreign_worker(home, server, "--pretend", key=server.worker_key()):
        results = {task: (ended(api, number)["result"], api.work_request(number)["output_data"])
                   for task, number in numbers.items()}  # fmt: skip
    assert {task: result for task, (result, _) in results.items()} == dict.fromkeys(tasks, "success"), results
    piuparts = api.work_request(numbers["piuparts"])
    relations = api.get(f"artifact-relation/?artifact={piuparts['artifacts'][-1]}").json()
    found = piuparts["dynamic_task_data"]
    assert {each["target"] for each in relations} == {found["environment_id"], *found["input_binary_artifacts_ids"]}
