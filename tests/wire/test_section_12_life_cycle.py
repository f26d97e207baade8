"""§12: who gets what, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.farm import eventually
from tests.wire.api import Api
from tests.wire.mail import MailSink
from tests.wire.raw import PATIENCE
from tests.wire.server import Server, new_name
from tests.wire.workers import MACHINE, METADATA, HandWorker, connected

BOOTSTRAP: dict[str, Any] = {
    "bootstrap_options": {"architecture": "i386"},
    "bootstrap_repositories": [{"mirror": "http://mirror.example/debian", "suite": "bookworm"}],
}


def test_the_older_of_two_comes_first(user: Api, idle: Api) -> None:
    """§12 order: created_at ascending."""
    older, newer = (user.submit()["id"] for _ in range(2))
    with connected(idle) as worker:
        for number in (older, newer):
            worker.get(number)
            assert worker.complete(number).empty(200)


def test_the_higher_priority_comes_first(server: Server, user: Api, idle: Api) -> None:
    """§12 order: priority_base + priority_adjustment descending."""
    low, usual, high = (user.submit()["id"] for _ in range(3))
    chief = user.by(server.user_key(superuser=True))
    for number, priority in ((low, -5), (high, 5)):
        assert chief.send("PATCH", f"work-request/{number}/", {"priority_adjustment": priority}).json()
    with connected(idle) as worker:
        for number in (high, usual, low):
            worker.get(number)
            assert worker.complete(number).empty(200)


def test_a_worker_has_one_at_a_time(user: Api, worker: HandWorker) -> None:
    """§12 free worker: fewer than one running or assigned."""
    first, second = (user.submit()["id"] for _ in range(2))
    worker.get(first)
    assert user.work_request(second)["worker"] is None
    assert worker.complete(first).empty(200)
    worker.get(second)


def test_a_worker_is_free_only_while_it_is_connected(user: Api, idle: Api) -> None:
    """§12 free worker: connected."""
    number = user.submit()["id"]
    assert idle.put("worker/dynamic-metadata/", dict(METADATA)).empty(204)
    assert idle.get("work-request/get-next-for-worker/").empty(204)
    with connected(idle) as worker:
        worker.get(number)


def test_new_metadata_count_at_once(user: Api, idle: Api) -> None:
    """§12 the scheduler runs after each change of a worker, also of its metadata."""
    number = user.submit()["id"]
    with connected(idle, {**MACHINE, "lintian:version": 1}) as worker:
        assert worker.ask_for_work().empty(204)
        worker.tell_metadata()
        worker.get(number)


@pytest.mark.parametrize(
    "lacking",
    [
        {"noop:version": 2},
        {"noop:version": None},
        {"system:worker_type": "signing"},
    ],
    ids=str,
)
def test_a_worker_that_does_not_fit_gets_nothing(server: Server, user: Api, idle: Api, lacking: dict[str, Any]) -> None:
    """§12 can_run_on: version and type of worker."""
    number = user.submit()["id"]
    metadata = {key: value for key, value in {**METADATA, **lacking}.items() if value is not None}
    with connected(idle, metadata) as unfit, connected(user.by(server.worker_key())) as fit:
        fit.get(number)  # whoever could have had it first did not get it
        assert unfit.ask_for_work().empty(204)


def test_a_worker_of_another_architecture_gets_nothing(server: Server, user: Api, idle: Api) -> None:
    """§12 can_run_on: the task's architecture is among the worker's."""
    number = user.submit("mmdebstrap", BOOTSTRAP)["id"]
    with connected(idle, {**METADATA, "system:architectures": ["amd64"]}) as unfit:
        with connected(user.by(server.worker_key())) as fit:
            fit.get(number)
        assert unfit.ask_for_work().empty(204)


def test_an_assigned_one_is_pending_still(user: Api, worker: HandWorker) -> None:
    """§12 states: a pending request may be assigned before it runs."""
    number = user.submit()["id"]
    worker.socket.until("work_request_available")
    shown = user.work_request(number)
    assert (shown["status"], shown["started_at"]) == ("pending", None)
    assert isinstance(shown["worker"], int)
    assert shown["dynamic_task_data"] is not None


def test_dynamic_data_is_computed_at_the_assignment(user: Api, worker: HandWorker) -> None:
    """§12 the assignment computes configured and dynamic task data."""
    data = {"source": "hello", "version": "1", "filename": "hello_1_amd64.build"}
    log = user.artifact({"hello_1_amd64.build": b"log"}, category="debian:package-build-log", data=data)["id"]
    number = user.submit("blhc", {"input": {"artifact": f"{log}@artifacts"}})["id"]
    handed = worker.get(number)
    assert handed["dynamic_task_data"]["input_artifact_id"] == log
    assert handed["task_data"] == {"input": {"artifact": f"{log}@artifacts"}}


def test_an_abort_is_not_told_to_a_foreign_worker(user: Api, worker: HandWorker) -> None:
    """§12 abort: the worker hears nothing, goes on, uploads, reports; then it is free."""
    number = user.submit()["id"]
    worker.get(number)
    assert user.post(f"work-request/{number}/abort/", {}).json()
    late = worker.api.declare({}, "debusine:work-request-debug-logs", work_request=number)
    assert worker.complete(number).empty(200)
    next_one = user.submit()["id"]
    worker.get(next_one)
    assert user.work_request(number)["artifacts"] == []
    assert user.get(f"artifact/{late['id']}/").json()["id"] == late["id"]


def test_a_worker_whose_work_was_aborted_is_busy_until_it_says_so(user: Api, worker: HandWorker) -> None:
    """§12, §20 busy after an abort until completed/ or the next get-next."""
    number = user.submit()["id"]
    worker.get(number)
    assert user.post(f"work-request/{number}/abort/", {}).json()
    waiting = user.submit()["id"]
    assert user.work_request(waiting)["worker"] is None
    answer = worker.ask_for_work()
    handed = answer.json() if answer.status == 200 else worker.get(waiting)
    assert handed["id"] == waiting


@pytest.mark.parametrize(
    ("result", "event", "data", "subject", "recipients"),
    [
        ("success", "on_success", None, "WorkRequest {} completed in success", ["team@example.org"]),
        ("failure", "on_failure", None, "WorkRequest {} completed in failure", ["team@example.org"]),
        ("error", "on_failure", {"subject": "$work_request_id: $work_request_result"}, "{}: error",
         ["team@example.org"]),
        ("success", "on_success", {"to": ["me@example.org"], "subject": "mine $work_request_id"}, "mine {}",
         ["me@example.org"]),
    ],
)  # fmt: skip
def test_an_end_is_mailed(
    server: Server, mail: MailSink, user: Api, worker: HandWorker, result: str, event: str,
    data: dict[str, Any] | None, subject: str, recipients: list[str],
) -> None:  # fmt: skip
    """§12 completion: on_success for success, on_failure for failure and error; the mail and its words."""
    channel = f"c{new_name()}"
    addresses = {"from": "farm@example.org", "to": ["team@example.org"]}
    server.operate("channel create", name=channel, method="email", data=addresses, allow_overrides=True)
    reaction = {"action": "send-notification", "channel": channel, "data": data}
    number = user.submit(event_reactions={event: [reaction]})["id"]
    worker.get(number)
    assert worker.complete(number, result).empty(200)
    envelope, message = mail.next(subject.format(number))
    assert envelope == recipients
    assert (message["From"], message["To"]) == ("farm@example.org", recipients[0])
    assert "Sent by debusine" in str(message.get_payload())


def test_what_cannot_be_resolved_any_more_ends_with_an_error(user: Api, idle: Api) -> None:
    """§12 failing to compute dynamic data at the assignment: error, code dynamic-data-failed."""
    number, moment = submitted_with_what_expires(user)
    eventually("the input is gone", lambda: datetime.now(UTC) > moment or None, PATIENCE)
    with connected(idle):
        eventually("it is over", lambda: user.work_request(number)["status"] != "pending" or None, PATIENCE)
    shown = user.work_request(number)
    assert (shown["status"], shown["result"]) == ("completed", "error")
    assert [error["code"] for error in shown["output_data"]["errors"]] == ["dynamic-data-failed"]


def submitted_with_what_expires(user: Api) -> tuple[int, datetime]:
    """A work request whose input is soon gone, and when that is."""
    data = {"source": "hello", "version": "1", "filename": "hello_1_amd64.build"}
    for delay in (0.1, 0.3, 1.0, 3.0, 10.0):  # a busy machine needs longer for the submission
        moment = datetime.now(UTC) + timedelta(seconds=delay)
        content = {"hello_1_amd64.build": b"log"}
        log = user.artifact(content, category="debian:package-build-log", data=data, expire_at=moment.isoformat())
        answer = user.post("work-request/", {"task_name": "blhc", "task_data": {"input": {"artifact": log["id"]}}})
        if answer.status == 200:
            return int(answer.json()["id"]), moment
    raise AssertionError(answer)
