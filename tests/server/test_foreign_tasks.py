"""Every worker task of the protocol goes to whichever worker announces it (protocol.md §14)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_local.backend import LocalFileStore

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.files import ArtifactPath, File
from debusine.scheduler.fifo import Fifo
from debusine.tasks import debusine_tasks
from debusine.testing import plugin_manager
from tests.farm import Farm, open_farm
from tests.server.work_farm import API, PATIENT, HandWorker, becomes, hand_worker
from tests.task_examples import ARTIFACTS, EXAMPLES, IMAGE, RELATIONS, SOURCE, TARBALL

TASKS = {task.name: task for task in debusine_tasks()}

#: What an installed worker reports (§14.1), as far as no task is concerned.
MACHINE = {
    "system:cpu_count": 4,
    "system:total_physical_memory": 8 << 30,
    "system:worker_type": "external",
    "system:host_architecture": "amd64",
    "system:architectures": ["amd64", "i386"],
    "executor:incus-lxc:available": False,
    "executor:incus-vm:available": False,
    "executor:qemu:available": True,
    "executor:unshare:available": True,
    "sbuild:available": True,
    "autopkgtest:available": True,
    "mmdebstrap:available": True,
    "simplesystemimagebuild:available": True,
}


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm with all built-in tasks and the artifacts of the examples."""
    plugins = plugin_manager(file_stores=[LocalFileStore], scheduler_policies=[Fifo], tasks=list(TASKS.values()))
    async with open_farm(database, tmp_path, plugins=plugins, limits=PATIENT) as opened:
        await database.write(add_artifacts, opened.people.system.id)
        yield opened


async def test_every_task_waits_for_a_worker_that_announces_it_and_goes_to_it(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        for task, example in EXAMPLES.items():
            await worker.tell_metadata({**MACHINE, **{f"{name}:version": 1 for name in EXAMPLES if name != task}})
            work_request = await submit(farm, task, dict(example.data))
            assert await reasons(farm, work_request) == {
                f"No connected worker can run {task}": (f"it does not offer {task}",)
            }
            assert await worker.get_next() is None

            await worker.tell_metadata({**MACHINE, **{f"{name}:version": 1 for name in EXAMPLES}})
            fetched = await next_work(worker)
            assert (fetched["task_type"], fetched["task_name"]) == ("Worker", task)
            assert fetched["task_data"] == example.data
            assert fetched["dynamic_task_data"] == example.dynamic
            assert (task, await readable(farm)) == (task, sorted(example.inputs))
            assert await worker.complete(work_request) == 200
            assert (await becomes(farm, work_request, "completed"))["result"] == "success"


async def test_what_one_may_not_see_is_not_explained(farm: Farm) -> None:
    work_request = await submit(farm, "noop", {})
    path = f"{API}/work-request/{work_request}/explanation/"

    assert (await farm.get(path, key=None)).status == 404
    assert (await farm.get(path, key=farm.people.worker_key)).status == 404
    assert (await farm.get(f"{API}/work-request/999/explanation/")).status == 404


async def test_the_name_of_a_task_is_taken_in_any_case(farm: Farm) -> None:
    work_request = await submit(farm, "MakeSourcePackageUpload", dict(EXAMPLES["makesourcepackageupload"].data))

    shown = (await farm.get(f"{API}/work-request/{work_request}/")).json()
    assert shown["task_name"] == "makesourcepackageupload"


async def test_an_unknown_task_is_answered_by_all_names(farm: Farm) -> None:
    answer = await farm.post(f"{API}/work-request/", {"task_name": "sbuld", "task_data": {}})

    assert answer.status == 400
    assert answer.problem() == {
        "title": "Cannot create work request: task name is not registered",
        "detail": f"Task name: 'sbuld'. Registered task names: {', '.join(sorted(EXAMPLES))}",
    }


async def test_the_worker_of_an_assembly_sees_where_the_signatures_come_from(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        await worker.tell_metadata({**MACHINE, "assemblesignedsource:version": 1})
        await submit(farm, "assemblesignedsource", dict(EXAMPLES["assemblesignedsource"].data))
        fetched = await next_work(worker)
        template = fetched["dynamic_task_data"]["template_id"]

        answer = await farm.get(f"{API}/artifact-relation/?artifact={template}", key=worker.key)

    assert [(said["target"], said["type"]) for said in answer.json()] == [(SOURCE, "built-using")]


#: A task, what is changed in its example, the place of the error, and a word of it.
WRONG: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("sbuild", {"environment": 2**63 - 1}, "environment", "no such artifact"),
    ("sbuild", {"environment": "99999999999999999@artifacts"}, "environment", "no such artifact"),
    ("sbuild", {"environment": -1}, "environment", "artifact's id or a string"),
    ("sbuild", {"environment": True}, "environment", "artifact's id or a string"),
    ("sbuild", {"environment": 1.5}, "environment", ""),
    ("sbuild", {"environment": [TARBALL]}, "environment", ""),
    ("sbuild", {"environment": IMAGE}, "environment", "debian:system-image, not debian:system-tarball"),
    ("sbuild", {"environment": "debian/match:codename=bookworm"}, "environment", "no collections"),
    ("sbuild", {"environment": "3@collections"}, "environment", "no collections"),
    ("sbuild", {"environment": "bookworm"}, "environment", "by its id"),
    ("sbuild", {"environment": "x" * 5000}, "environment", "by its id"),
    ("sbuild", {"host_architecture": "AMD64"}, "host_architecture", "architecture"),
    ("sbuild", {"task_configuration": "mine"}, "task_configuration", "no task configurations"),
    ("sbuild", {"build_component": ["any"]}, "", "build_component"),
    ("sbuild", {"build_components": ["any"] * 9999 + ["al"]}, "build_components[9999]", ""),
    ("piuparts", {"input": {"binary_artifacts": [{"collection": "a@b"}]}}, "input.binary_artifacts[0]", "no coll"),
    ("piuparts", {"input": {"binary_artifacts": {"collection": "a@b"}}}, "input.binary_artifacts[0]", "no coll"),
    ("piuparts", {"input": {"binary_artifacts": [True]}}, "input.binary_artifacts", "boolean"),
    ("piuparts", {"input": {"binary_artifacts": [5, None]}}, "input.binary_artifacts", "null"),
    ("piuparts", {"input": {"binary_artifacts": list(range(5, 10_005))}}, "input.binary_artifacts[2]", "category"),
    ("noop", {"result": "false"}, "result", "true or false"),
    ("noop", {"result": 1}, "result", "true or false"),
)


async def test_wrong_task_data_is_refused_with_its_place(farm: Farm) -> None:
    for task, changes, path, word in WRONG:
        submission = {"task_name": task, "task_data": {**EXAMPLES[task].data, **changes}}

        answer = await farm.post(f"{API}/work-request/", submission)

        assert answer.status == 400, (task, changes)
        problem = answer.problem()
        assert problem["title"].startswith("Cannot create work request")
        (found,) = problem["validation_errors"]
        assert found == ("task_data." + path if path else "task_data")
        assert word in " ".join(problem["validation_errors"][found])
        assert len(answer.body) < 5000


async def submit(farm: Farm, task: str, task_data: dict[str, Any]) -> int:
    """POST a work request as a client does, and return its id."""
    submission = {"task_name": task, "task_data": task_data, "event_reactions": {}}
    answer = await farm.post(f"{API}/work-request/", submission)
    assert answer.status == 200, answer
    return int(answer.json()["id"])


async def next_work(worker: HandWorker) -> dict[str, Any]:
    """Listen until there is work, and fetch it; an older message may still speak of what is done."""
    while True:
        await worker.until("work_request_available")
        if (fetched := await worker.get_next()) is not None:
            return fetched


async def reasons(farm: Farm, work_request: int) -> dict[str, tuple[str, ...]]:
    """The summary of why it waits, and what speaks against the only worker."""
    answer = await farm.get(f"{API}/work-request/{work_request}/explanation/")
    assert answer.status == 200
    explanation = answer.json()
    (worker,) = explanation["workers"]
    assert worker["worker"] == farm.people.worker.name
    return {explanation["summary"]: tuple(worker["reasons"])}


async def readable(farm: Farm) -> list[int]:
    """The artifacts that the worker may read."""
    answers = {
        facts.id: (await farm.get(f"{API}/artifact/{facts.id}/", key=farm.people.worker_key)).status
        for facts in ARTIFACTS
    }
    assert set(answers.values()) <= {200, 404}
    return [artifact for artifact, status in answers.items() if status == 200]


def add_artifacts(uow: UnitOfWork, workspace: int) -> None:
    """Put the artifacts of the examples into the database, whole."""
    for number, facts in enumerate(ARTIFACTS):
        added = uow.artifacts.insert(
            workspace=workspace, category=facts.category, data=facts.data, created_at=uow.now, created_by=None
        )
        assert added.id == facts.id
        for path, size in facts.files.items():
            sha256 = f"{number}{path}".encode().ljust(32)[:32]
            file = File(id=uow.files.insert(sha256=sha256, size=size).id, sha256=sha256, size=size)
            uow.files_in_artifacts.add_all(added.id, [(ArtifactPath(path), file, True, None)])
    for source, target, type_ in RELATIONS:
        uow.relations.get_or_create(source, target, type_)
