"""Submissions: what a user asks for, checked against the task before anything is kept."""

from collections.abc import Collection, Mapping
from typing import Any

from debusine.converter.structure import InvalidFields, structure
from debusine.domain.demands import TaskType
from debusine.domain.errors import DebusineError, Invalid
from debusine.plugin import Lookups, Task

#: Task name → class, of every installed plugin.
Tasks = Mapping[str, type[Task[Any]]]


class UnknownTask(Invalid):
    """No installed plugin offers a task of this name to users."""

    def __init__(self, name: str, available: Collection[str]) -> None:
        super().__init__(
            "Cannot create work request: task name is not registered",
            detail=f"Task name: {name[:100]!r}. Registered task names: {', '.join(sorted(available))}",
        )


class InvalidTaskData(Invalid):
    """The task_data does not fit the task."""

    def __init__(self, task: str, error: InvalidFields) -> None:
        errors = {_inside(path): messages for path, messages in (error.validation_errors or {}).items()}
        super().__init__(
            "Cannot create work request: error computing dynamic data",
            detail=f"The task_data does not fit the task {task}",
            validation_errors=errors,
        )


class UnresolvableTaskData(Invalid):
    """The task_data fits the task, but not what is in the farm."""

    def __init__(self, error: DebusineError) -> None:
        errors = {_inside(path): messages for path, messages in (error.validation_errors or {}).items()}
        super().__init__(
            "Cannot create work request: error computing dynamic data",
            detail=str(error),
            validation_errors=errors or None,
        )


def find_task(tasks: Tasks, name: str) -> type[Task[Any]]:
    """The task of this name, in any case; ``UnknownTask`` when no worker could run such a one."""
    offered = {task.name: task for task in tasks.values() if task.task_type is TaskType.WORKER}
    task = offered.get(name.lower())
    if task is None:
        raise UnknownTask(name, offered)
    return task


def structure_data(task: type[Task[Any]], task_data: Mapping[str, Any]) -> Any:
    """The task_data as the task's ``Data``; ``InvalidTaskData`` says what is wrong with which field."""
    try:
        return structure(task_data, task.Data)
    except InvalidFields as error:
        raise InvalidTaskData(task.name, error) from error


def check_lookups(task: type[Task[Any]], data: Any, lookups: Lookups) -> None:
    """Refuse data whose lookups name nothing; what they name is asked again at the assignment."""
    try:
        task.resolve(data, lookups)
    except DebusineError as error:
        raise UnresolvableTaskData(error) from error


def _inside(path: str) -> str:
    return "task_data" if path == "non_field_errors" else f"task_data.{path}"
