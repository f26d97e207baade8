"""What the tasks have in common that workers of another make run in an executor."""

from typing import Any, TypeVar

from debusine.plugin import ArtifactFacts, Demand, RunElsewhere
from debusine.tasks.executors import ExecutorData

E = TypeVar("E", bound=ExecutorData)


class ExecutorTask(RunElsewhere[E]):
    """A task that runs in an executor, on another worker than ours."""

    @classmethod
    def required(cls, data: E) -> tuple[str, ...]:
        """Keys that a worker must report as true; default: none, not even the executor's."""
        return ()

    @classmethod
    def demand(cls, data: E) -> Demand:
        """The task, the architecture if the data names one, and what is required besides."""
        return Demand(
            task_name=cls.name,
            version=cls.version,
            architecture=data.host_architecture,
            requires=cls.required(data),
        )


def told(image: ArtifactFacts, **labels: Any) -> dict[str, Any]:
    """What the worker is told of its environment, and the labels that have a value."""
    known = {"configuration_context": image.data.get("codename"), **labels}
    return {"environment_id": image.id, **{name: value for name, value in known.items() if value is not None}}
