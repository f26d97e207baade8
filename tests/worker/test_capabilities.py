"""What a machine says of itself."""

from typing import Any

import pytest

from debusine.plugin import Task
from debusine.tasks import debusine_tasks, executors
from debusine.tasks.noop import Noop
from debusine.worker.capabilities import capabilities, describe_machine

TASKS = {task.name: task for task in debusine_tasks()}
OURS = ("noop", "mmdebstrap", "sbuild", "lintian")


class Broken(Noop):
    name = "broken"

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        raise RuntimeError(cls.name)

    @classmethod
    def problems(cls) -> tuple[str, ...]:
        raise RuntimeError(cls.name)


def test_all_keys_of_the_protocol_are_told() -> None:
    facts = describe_machine(TASKS)
    assert facts["system:worker_type"] == "external"
    assert facts["system:total_physical_memory"] > 1 << 20
    assert isinstance(facts["system:architectures"], list)
    assert {name: facts.get(f"{name}:version") for name in OURS} == dict.fromkeys(OURS, 1)
    for executor in ("incus-lxc", "incus-vm", "qemu"):
        assert facts[f"executor:{executor}:available"] is False
    assert isinstance(facts["executor:unshare:available"], bool)
    assert not any(isinstance(value, dict) for value in facts.values())


def test_what_other_workers_run_is_not_offered_and_is_nothing_that_this_machine_lacks() -> None:
    told = describe_machine(TASKS)
    others = [capability for capability in capabilities(TASKS) if capability.elsewhere]

    assert {capability.task for capability in others} == TASKS.keys() - set(OURS)
    for capability in others:
        assert not [key for key in told if key.startswith(f"{capability.task}:") and told[key] is True]
        assert f"{capability.task}:version" not in told
        assert "debusine-worker of Debian's own package can" in capability.problems[0]


def test_a_task_that_breaks_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    tasks: dict[str, type[Task[Any]]] = {"broken": Broken, "noop": Noop}
    facts = describe_machine(tasks)
    assert facts["noop:version"] == 1
    assert "broken:version" not in facts
    assert "The task broken" in caplog.text
    assert [bool(capability.problems) for capability in capabilities(tasks)] == [True, False]


def test_a_program_that_is_missing_is_told_with_the_command_that_installs_it() -> None:
    assert executors.missing_programs({"no-such-program": "some-package"}) == [
        "no-such-program is not installed; run: sudo apt-get install --no-install-recommends some-package"
    ]


def test_missing_subordinate_ids_are_told_with_the_command_that_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_lines", lambda _path: ["other:100000:65536", "more:165536:65536"])
    monkeypatch.setattr(executors, "missing_programs", lambda _packages: [])
    (sentence,) = executors.unshare_problems()
    assert "has no subordinate ids; run: sudo usermod --add-subuids 231072-296607" in sentence


def test_a_machine_without_dpkg_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    facts = describe_machine({})
    assert facts["system:architectures"] == []
    assert "system:host_architecture" not in facts
