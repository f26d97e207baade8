"""The task that installs, upgrades and removes packages to see what they leave behind."""

from typing import Any

from attrs import field, frozen

from debusine.plugin import Lookups, MultipleLookup, SingleLookup
from debusine.tasks.executor_tasks import ExecutorTask, told
from debusine.tasks.executors import BuildEnvironmentData
from debusine.tasks.packages import BINARIES, source_name
from debusine.tasks.task_data import Repository, a_lookup, something

TARBALL = "debian:system-tarball"


@frozen(kw_only=True)
class PiupartsInput:
    """What to install."""

    binary_artifacts: MultipleLookup = field(validator=something)


@frozen(kw_only=True)
class PiupartsData(BuildEnvironmentData):
    """A check of how packages come and go."""

    input: PiupartsInput
    #: The system in which the packages are installed; the environment is where piuparts itself runs.
    base_tgz: SingleLookup = field(validator=a_lookup)
    extra_repositories: tuple[Repository, ...] | None = None


class Piuparts(ExecutorTask[PiupartsData]):
    """Installs and removes packages in a clean system with piuparts."""

    name = "piuparts"
    Data = PiupartsData

    @classmethod
    def resolve(cls, data: PiupartsData, lookups: Lookups) -> dict[str, Any]:
        """Find the packages, the system to install them in, and the environment."""
        data.check_configuration()
        binaries = lookups.multiple(data.input.binary_artifacts, categories=BINARIES, field="input.binary_artifacts")
        base = lookups.single(data.base_tgz, categories=(TARBALL,), field="base_tgz")
        image = data.resolve_environment(lookups)
        return {
            "input_binary_artifacts_ids": [artifact.id for artifact in binaries],
            "base_tgz_id": base.id,
            **told(
                image,
                subject=source_name(binaries),
                runtime_context=f"{image.data.get('codename')}:{data.host_architecture}",
            ),
        }
