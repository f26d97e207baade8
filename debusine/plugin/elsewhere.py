"""Tasks of which the server knows everything but that other workers run."""

from collections.abc import Sequence
from typing import Any, ClassVar

from debusine.domain.errors import DebusineError
from debusine.domain.work_requests import Result
from debusine.plugin.task import D, Task, TaskContext


class NotRunHere(DebusineError):
    """The worker of this project cannot run a task; another one can."""

    def __init__(self, task: str, runs_on: str) -> None:
        super().__init__(f"This worker cannot run {task}", detail=f"{runs_on} can; connect one to the same server")


class RunElsewhere(Task[D]):
    """A task that the server checks, matches and resolves, and that a worker of another make runs.

    Our own worker does not announce it, so it is never asked to run it.
    """

    #: Who can run it: the beginning of a sentence.
    runs_on: ClassVar[str] = "A debusine-worker of Debian's own package"

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        """Nothing, so that no server gives it to this worker."""
        return {}

    @classmethod
    def problems(cls) -> Sequence[str]:
        """Who can run it."""
        return [str(NotRunHere(cls.name, cls.runs_on))]

    async def run(self, context: TaskContext) -> Result:
        """Raise ``NotRunHere``."""
        raise NotRunHere(self.name, self.runs_on)
