"""The task that does nothing, to see whether everything else works."""

from typing import Any

from attrs import frozen

from debusine.plugin import Lookups, Result, Task, TaskContext
from debusine.tasks.task_data import TaskData


@frozen(kw_only=True)
class NoopData(TaskData):
    """What to pretend."""

    #: False: end with failure.
    result: bool = True


class Noop(Task[NoopData]):
    """Ends at once, with the result that was asked for."""

    name = "noop"
    Data = NoopData

    @classmethod
    def resolve(cls, data: NoopData, lookups: Lookups) -> dict[str, Any]:
        """Nothing to look up."""
        data.check_configuration()
        return {}

    async def run(self, context: TaskContext) -> Result:
        """Do nothing."""
        return Result.SUCCESS if self.data.result else Result.FAILURE
