"""What the tasks before and after a signature have in common."""

from typing import Literal, TypeVar

from attrs import frozen

from debusine.tasks.executor_tasks import ExecutorTask
from debusine.tasks.executors import EnvironmentData


@frozen(kw_only=True)
class SigningData(EnvironmentData):
    """What their data has: the backend is not theirs to choose."""

    backend: Literal["auto"] = "auto"


S = TypeVar("S", bound=SigningData)


class SigningTask(ExecutorTask[S]):
    """A task that ordinary workers run beside those that hold the keys."""

    @classmethod
    def required(cls, data: S) -> tuple[str, ...]:
        """The executor."""
        return (data.executor_key,)
