"""§14: every worker task: whom it goes to, and what it is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.foreign.task_classes import CLASSES
from tests.wire.api import Api
from tests.wire.invented import invented, requests
from tests.wire.server import Server
from tests.wire.workers import METADATA, TASKS, HandWorker, connected

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)

#: Task → what a worker must report as true, beside the task's version.
EXTRA: Mapping[str, tuple[str, ...]] = {
    "sbuild": ("sbuild:available", "executor:unshare:available"),
    "autopkgtest": ("autopkgtest:available", "executor:unshare:available"),
    "mmdebstrap": ("mmdebstrap:available",),
    "simplesystemimagebuild": ("simplesystemimagebuild:available",),
    "extractforsigning": ("executor:unshare:available",),
    "assemblesignedsource": ("executor:unshare:available",),
    # Ours: in an environment; every worker of the archive has an executor to run it with.
    "lintian": ("executor:unshare:available",),
}
#: Tasks whose data name an architecture here.
WITH_ARCHITECTURE = {"sbuild", "autopkgtest", "piuparts", "debdiff", "mmdebstrap", "simplesystemimagebuild"}


@pytest.fixture(scope="module")
def artifacts(server: Server) -> dict[str, int]:
    """What tasks work on."""
    return invented(Api(server.address, server.user_key()))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_goes_to_a_worker_of_the_archive_which_takes_what_it_is_told(
    user: Api, worker: HandWorker, artifacts: dict[str, int], task: str
) -> None:
    """§14 each task: task_data as sent, dynamic_task_data with the keys that it needs and no others."""
    data = requests(artifacts)[task]
    number = user.submit(task, data)["id"]
    handed = worker.get(number)
    assert (handed["task_name"], handed["task_type"], handed["task_data"]) == (task, "Worker", data)
    CLASSES[task].check(handed["task_data"], handed["dynamic_task_data"])
    assert worker.complete(number).empty(200)


@pytest.mark.parametrize(
    ("task", "lacking"),
    [(task, {key: False}) for task, keys in EXTRA.items() for key in keys]
    + [(task, {f"{task}:version": version}) for task in TASKS for version in (2, None)]
    + [(task, {"system:architectures": ["arm64"]}) for task in sorted(WITH_ARCHITECTURE)],
    ids=str,
)
def test_a_task_does_not_go_to_a_worker_that_lacks_something(
    server: Server, user: Api, idle: Api, artifacts: dict[str, int], task: str, lacking: dict[str, Any]
) -> None:
    """§14 can_run_on: the version, the architecture, what is available."""
    number = user.submit(task, requests(artifacts)[task])["id"]
    with connected(idle, {**METADATA, **lacking}) as unfit:
        assert unfit.ask_for_work().empty(204)
        with connected(user.by(server.worker_key())) as fit:
            assert fit.get(number)["task_name"] == task
        assert unfit.ask_for_work().empty(204)


def test_tasks_that_need_nothing_go_to_a_worker_that_has_nothing(
    user: Api, idle: Api, artifacts: dict[str, int]
) -> None:
    """§14 can_run_on: none, not even an executor, for six tasks."""
    bare = {key: value for key, value in METADATA.items() if not key.endswith(":available")}
    with connected(idle, bare) as worker:
        for task in sorted(set(TASKS) - EXTRA.keys()):
            number = user.submit(task, requests(artifacts)[task])["id"]
            assert worker.get(number)["task_name"] == task
            assert worker.complete(number).empty(200)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_forbids_keys_that_it_does_not_know(user: Api, artifacts: dict[str, int], task: str) -> None:
    """§14 task_data: unknown keys are refused at the submission."""
    data = {**requests(artifacts)[task], "colour": "red"}
    assert user.post("work-request/", {"task_name": task, "task_data": data}).problem(400)["detail"]


@pytest.mark.parametrize("task", [task for task in TASKS if CLASSES[task].required])
def test_a_task_demands_what_it_needs(user: Api, artifacts: dict[str, int], task: str) -> None:
    """§14 task_data: each required key."""
    for key in CLASSES[task].required:
        data = {name: value for name, value in requests(artifacts)[task].items() if name != key}
        problem = user.post("work-request/", {"task_name": task, "task_data": data}).problem(400)
        assert key in str(problem), problem
