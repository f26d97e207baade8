"""The main job with real processes: a request goes in, a worker does it, its artifacts come out."""

from pathlib import Path

import pytest

from tests.cli.processes import SOON
from tests.e2e.farm import Farm

pytestmark = pytest.mark.e2e


def test_a_user_sends_files_and_gets_the_same_files_back(farm: Farm, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a b+é.txt").write_bytes(b"small\n")
    (source / "sub/large.bin").write_bytes(bytes(range(256)) * 300_000)
    made = farm.client(
        "create-artifact", "debusine:test", "--upload-base-directory", str(source),
        "--upload", "a b+é.txt", "--upload", "sub/large.bin",
    )  # fmt: skip
    target = tmp_path / "target"
    target.mkdir()
    farm.client("download-artifact", str(made["artifact_id"]), "--target-directory", str(target))

    assert made["files_to_upload"] == 2
    for path in ("a b+é.txt", "sub/large.bin"):
        assert (target / path).read_bytes() == (source / path).read_bytes()


def test_a_worker_does_what_a_user_requests(farm: Farm) -> None:
    worker = farm.start_worker(farm.make_worker("builder"))
    made = farm.client("create-work-request", "noop", given={"result": True})
    done = farm.wait_for(made["work_request_id"], "completed")
    shown = farm.client("show-work-request", str(made["work_request_id"]))

    assert (done["result"], done["attempt"]) == ("success", 1)
    assert [artifact["category"] for artifact in shown["artifacts"]] == ["debusine:work-request-debug-logs"]
    assert farm.key not in worker.said()
    assert worker.stop() < SOON


def test_a_failing_task_is_a_failure_and_says_why_in_its_logs(farm: Farm) -> None:
    farm.start_worker(farm.make_worker("builder"))
    done = farm.wait_for(farm.create_work_request("noop", {"result": False}), "completed")

    assert done["result"] == "failure"


def test_the_server_stops_in_time_and_starts_again_where_it_was(farm: Farm) -> None:
    waiting = farm.create_work_request("noop", {})
    assert farm.server is not None
    assert farm.server.stop() < SOON
    assert farm.server.process.returncode == 0
    farm.start_server()
    farm.start_worker(farm.make_worker("builder"))

    assert farm.wait_for(waiting, "completed")["result"] == "success"
