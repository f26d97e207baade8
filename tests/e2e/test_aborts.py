"""An abort, or the end of the time, ends real processes: also those that will not, and those in namespaces."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.domain.accounts import Subject
from debusine.services import aborts
from tests.e2e.farm import Farm, Program, eventually, running_farm
from tests.e2e.test_faults import gate_of

pytestmark = pytest.mark.e2e

#: Seconds from the abort until nothing is left (promise P26).
PROMISED = 15.0

#: The processes of the task ``stubborn``.
STUBBORN = 3

WAYS: dict[str, dict[str, Any]] = {
    "in its own session": {},
    "under the ids of a namespace": {
        "wrapped_in": ["unshare", "--user", "--map-auto", "--map-root-user", "--setuid", "1000"],
    },
    "in a namespace of processes": {
        "wrapped_in": ["unshare", "--user", "--map-auto", "--map-root-user", "--pid", "--fork", "--mount-proc"],
    },
    "in the sandbox": {"sandbox": True},
}


def processes(mark: str) -> set[int]:
    """All processes whose command line has the mark; the keeper of the command and what wraps it are among them."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                command = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in command:
                found.add(int(entry.name))
    return found


def begin(farm: Farm, mark: str, **data: Any) -> int:
    """Have the task run, with all its processes."""
    number = farm.create_work_request("stubborn", {"mark": mark, **data})
    eventually("the processes run", lambda: len(processes(mark)) > STUBBORN)
    return number


def seconds_until_gone(mark: str) -> float:
    begun = time.monotonic()
    eventually("the processes are gone", lambda: not processes(mark), PROMISED)
    return time.monotonic() - begun


def abort(farm: Farm, number: int) -> dict[str, Any]:
    shown: dict[str, Any] = farm.request("POST", f"/api/1.0/work-request/{number}/abort/", {}).json()
    return shown


@pytest.fixture(scope="module")
def farm(worker_sources: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One farm for all of them, on SQLite: what is decided in the database is tested elsewhere."""
    with running_farm(tmp_path_factory.mktemp("farm")) as farm:
        yield farm


@pytest.fixture(scope="module")
def worker(farm: Farm) -> Program:
    return farm.start_worker(farm.make_worker("builder"))


def test_an_abort_ends_every_process_wherever_it_is_and_the_worker_goes_on(
    farm: Farm, worker: Program, mark: Callable[[], str]
) -> None:
    for way in WAYS.values():
        name = mark()
        number = begin(farm, name, **way)
        aborted = abort(farm, number)
        seconds_until_gone(name)

        assert (aborted["status"], aborted["result"], aborted["worker"]) == ("aborted", "", None)
        assert farm.wait_for(farm.create_work_request("noop", {}), "completed")["result"] == "success"
        assert farm.work_request(number)["status"] == "aborted"
    assert "Traceback" not in worker.said()
    assert farm.server is not None
    assert "Traceback" not in farm.server.said()


@pytest.fixture
def mark(tmp_path: Path) -> Callable[[], str]:
    """Makes words that stand in no other command line."""
    numbers = iter(range(100))
    return lambda: f"mark-of-{tmp_path.name}-{os.getpid()}-{next(numbers)}"


def test_an_abort_is_heard_after_the_server_died_right_after_its_commit(
    farm: Farm, worker: Program, mark: Callable[[], str]
) -> None:
    name = mark()
    number = begin(farm, name)
    farm.kill_server()
    # What a server leaves that dies before it could tell anybody.
    asyncio.run(abort_without_a_word(sqlite_url(farm.data / "debusine.sqlite"), number))
    farm.start_server()

    seconds_until_gone(name)

    assert farm.work_request(number)["status"] == "aborted"
    assert farm.wait_for(farm.create_work_request("noop", {}), "completed")["result"] == "success"


def test_the_time_limit_ends_every_process(farm: Farm, worker: Program) -> None:
    gate = gate_of(farm)
    created = farm.client("create-work-request", "stubborn", "--timeout", "5", given={"mark": str(gate)})
    number = created["work_request_id"]
    done = farm.wait_for(number, "completed")

    assert len(list(gate.parent.iterdir())) == STUBBORN
    assert processes(str(gate)) == set()
    assert (done["result"], done["timeout"], done["attempt"]) == ("error", 5, 1)
    shown = farm.client("show-work-request", str(number))
    assert shown["timeout"] == 5
    assert shown["output_data"]["errors"] == [{"message": "It ran longer than 5 seconds", "code": "timeout"}]
    assert farm.wait_for(farm.create_work_request("noop", {}), "completed")["result"] == "success"


async def abort_without_a_word(url: str, number: int) -> None:
    database = open_database(url)
    try:
        user = await database.read(lambda uow: uow.users.by_username("alice"))
        await database.write(aborts.abort, Subject(user=user), number)
    finally:
        await database.aclose()
