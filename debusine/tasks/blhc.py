"""The task that looks for missing hardening flags in the log of a build."""

from typing import Any, Literal

from attrs import field, frozen

from debusine.plugin import Lookups, SingleLookup
from debusine.tasks.executor_tasks import ExecutorTask, told
from debusine.tasks.executors import ExecutorData
from debusine.tasks.packages import source_name
from debusine.tasks.task_data import a_lookup

BUILD_LOG = "debian:package-build-log"

Flag = Literal["--all", "--bindnow", "--buildd", "--color", "--debian", "--line-numbers", "--pie"]


@frozen(kw_only=True)
class BlhcInput:
    """What to look at."""

    artifact: SingleLookup = field(validator=a_lookup)


@frozen(kw_only=True)
class BlhcData(ExecutorData):
    """A look at a build's log."""

    input: BlhcInput
    extra_flags: tuple[Flag, ...] = ()


class Blhc(ExecutorTask[BlhcData]):
    """Checks a build log for hardening flags with blhc."""

    name = "blhc"
    Data = BlhcData

    @classmethod
    def resolve(cls, data: BlhcData, lookups: Lookups) -> dict[str, Any]:
        """Find the log, and the environment if one is asked for."""
        data.check_configuration()
        log = lookups.single(data.input.artifact, categories=(BUILD_LOG,), field="input.artifact")
        found = {"input_artifact_id": log.id, "subject": source_name([log])}
        return found if data.environment is None else found | told(data.resolve_environment(lookups))
