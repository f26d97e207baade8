"""The task that runs the tests which a package brings along."""

from typing import Any, Literal

from attrs import field, frozen

from debusine.plugin import Lookups, MultipleLookup, SingleLookup
from debusine.tasks.executor_tasks import ExecutorTask, told
from debusine.tasks.executors import BuildEnvironmentData
from debusine.tasks.packages import BINARIES, SOURCE, UPLOAD, source_name
from debusine.tasks.task_data import Repository, a_lookup, between


@frozen(kw_only=True)
class AutopkgtestInput:
    """What to test, and with what."""

    source_artifact: SingleLookup = field(validator=a_lookup)
    binary_artifacts: MultipleLookup
    #: Packages that are installed for the tests, and are not what is tested.
    context_artifacts: MultipleLookup = field(factory=MultipleLookup)


@frozen(kw_only=True)
class FailOn:
    """What makes the whole a failure."""

    failed_test: bool = True
    flaky_test: bool = False
    skipped_test: bool = False


@frozen(kw_only=True)
class Timeouts:
    """Limits, in seconds; None: autopkgtest's own."""

    global_: int | None = field(default=None, validator=between(0))
    #: All limits are multiplied with it.
    factor: int | None = field(default=None, validator=between(0))
    short: int | None = field(default=None, validator=between(0))
    install: int | None = field(default=None, validator=between(0))
    test: int | None = field(default=None, validator=between(0))
    copy: int | None = field(default=None, validator=between(0))


@frozen(kw_only=True)
class AutopkgtestData(BuildEnvironmentData):
    """A run of a package's tests."""

    input: AutopkgtestInput
    #: Empty: all.
    include_tests: tuple[str, ...] = ()
    exclude_tests: tuple[str, ...] = ()
    debug_level: int = field(default=0, validator=between(0, 3))
    extra_repositories: tuple[Repository, ...] | None = None
    use_packages_from_base_repository: bool = False
    extra_environment: dict[str, str] = field(factory=dict)
    needs_internet: Literal["run", "try", "skip"] = "run"
    fail_on: FailOn = field(factory=FailOn)
    timeout: Timeouts | None = None


class Autopkgtest(ExecutorTask[AutopkgtestData]):
    """Runs a package's own tests against its binary packages, in an environment."""

    name = "autopkgtest"
    Data = AutopkgtestData

    @classmethod
    def required(cls, data: AutopkgtestData) -> tuple[str, ...]:
        """autopkgtest, and the executor."""
        return ("autopkgtest:available", data.executor_key)

    @classmethod
    def resolve(cls, data: AutopkgtestData, lookups: Lookups) -> dict[str, Any]:
        """Find the tests, what they test, and the environment."""
        data.check_configuration()
        given = data.input
        source = lookups.single(given.source_artifact, categories=(SOURCE, UPLOAD), field="input.source_artifact")
        binaries = lookups.multiple(given.binary_artifacts, categories=BINARIES, field="input.binary_artifacts")
        context = lookups.multiple(given.context_artifacts, categories=BINARIES, field="input.context_artifacts")
        image = data.resolve_environment(lookups)
        return {
            "input_source_artifact_id": source.id,
            "input_binary_artifacts_ids": [artifact.id for artifact in binaries],
            "input_context_artifacts_ids": [artifact.id for artifact in context],
            **told(
                image,
                subject=source_name([source]),
                runtime_context=f"{data.host_architecture}:{data.executor}",
            ),
        }
