"""Somebody who watches, and workers that are let in by an activation token, over real processes."""

import json
import os
import signal
import stat

import pytest

from scripts.demo.programs import BIN, write_private
from tests.e2e.farm import Farm, Program, eventually

pytestmark = pytest.mark.e2e


def start_watching(farm: Farm, number: int) -> Program:
    """The client's command, which writes down each completion after a moment."""
    script = farm.directory / "note"
    script.write_text('#!/bin/sh\nsleep 0.02\necho "$@" >> "$(dirname "$0")/noted"\n')
    script.chmod(0o755)
    command = [
        str(BIN / "debusine"), "--config-file", str(farm.directory / "client.ini"), "on-work-request-completed",
        "--last-completed-at", str(farm.directory / "heard.json"), str(script),
    ]  # fmt: skip
    return Program.start(command, farm.directory / f"watching-{number}.log", farm.environment)


def noted(farm: Farm) -> list[str]:
    path = farm.directory / "noted"
    return path.read_text().splitlines() if path.exists() else []


def test_nothing_is_missed_and_nothing_told_twice_though_server_and_watcher_die(farm: Farm) -> None:
    farm.start_worker(farm.make_worker("builder"))
    watching = start_watching(farm, 0)
    eventually("the watcher is connected", lambda: "Connected" in watching.said())
    numbers = [farm.create_work_request("noop", {}) for _ in range(4)]
    farm.wait_for(numbers[0], "completed")
    farm.kill_server()
    farm.start_server()
    numbers += [farm.create_work_request("noop", {}) for _ in range(2)]
    eventually("the first ones were told", lambda: len(noted(farm)) >= 4)
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(30) == 0, watching.said()

    told = len(noted(farm))
    numbers += [farm.create_work_request("noop", {"result": False}) for _ in range(2)]
    farm.wait_for(numbers[-1], "completed")
    assert len(noted(farm)) == told
    again = start_watching(farm, 1)
    eventually("all were told", lambda: len(noted(farm)) >= len(numbers))
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(30) == 0, again.said()

    results = ["success"] * 6 + ["failure"] * 2
    assert noted(farm) == [f"{number} {result}" for number, result in zip(numbers, results, strict=True)]
    assert json.loads((farm.directory / "heard.json").read_text())["work_requests"] == [numbers[-1]]


def test_an_activation_token_lets_a_worker_in_without_another_word(farm: Farm) -> None:
    home = farm.make_worker("builder")
    directory = home / ".config/debusine/worker"
    owner = (directory / "token").stat()
    (directory / "token").unlink()
    activation = directory / "activation-token"
    write_private(activation, farm.admin("worker", "create", "new.example", "--activation").strip())
    os.chown(activation, owner.st_uid, owner.st_gid)
    activation.chmod(0o644)
    refused = farm.start_worker(home)
    assert refused.process.wait(30) == 3
    assert f"chmod 600 {activation}" in refused.said()

    activation.chmod(0o600)
    worker = farm.start_worker(home)
    done = farm.wait_for(farm.create_work_request("noop", {}), "completed")

    rows = {row["name"]: row for row in json.loads(farm.admin("--json", "worker", "list"))}
    assert done["result"] == "success"
    assert rows["new-example"]["enabled"]
    assert rows["new-example"]["connected_at"]
    assert stat.S_IMODE((directory / "token").stat().st_mode) == 0o600
    assert activation.exists()
    assert activation.read_text().strip() not in worker.said()
    worker.stop()

    (directory / "token").unlink()
    second = farm.start_worker(home)
    assert second.process.wait(30) == 3
    assert "The token is invalid or disabled" in second.said()
    assert not (directory / "token").exists()
