"""What a submission may say of a check with lintian, and what its worker is told."""

from typing import Any, Literal

from attrs import field, frozen

from debusine.plugin import MultipleLookup, SingleLookup
from debusine.tasks.executors import ExecutorData
from debusine.tasks.task_data import DynamicData, a_lookup, each, matches

#: From the worst down; a limit means itself and all before it.
SEVERITIES = ("error", "warning", "info", "pedantic", "experimental", "overridden")

FailOn = Literal["error", "warning", "info", "pedantic", "experimental", "overridden", "none"]

a_tag = matches(r"[a-z0-9][a-z0-9+./-]*", "a tag of lintian's")


@frozen(kw_only=True)
class LintianInput:
    """What to check."""

    source_artifact: SingleLookup | None = field(default=None, validator=a_lookup)
    binary_artifacts: MultipleLookup = field(factory=MultipleLookup)

    def __attrs_post_init__(self) -> None:
        """Check that there is something to check."""
        if self.source_artifact is None and not self.binary_artifacts:
            message = "One of source_artifact and binary_artifacts is needed."
            raise ValueError(message)


@frozen(kw_only=True)
class LintianOutput:
    """Which analyses to make."""

    source_analysis: bool = True
    binary_all_analysis: bool = True
    binary_any_analysis: bool = True

    def wants(self, architecture: str) -> bool:
        """Whether the analysis of an architecture (or ``source`` or ``all``) is asked for."""
        named = {"source": self.source_analysis, "all": self.binary_all_analysis}
        return named.get(architecture, self.binary_any_analysis)

    @property
    def kinds(self) -> list[str]:
        """What is asked for, sorted, for labels."""
        wanted = {
            "binary-all": self.binary_all_analysis,
            "binary-any": self.binary_any_analysis,
            "source": self.source_analysis,
        }
        return [kind for kind, asked in wanted.items() if asked]


@frozen(kw_only=True)
class LintianData(ExecutorData):
    """A check of packages."""

    input: LintianInput
    output: LintianOutput = field(factory=LintianOutput)
    #: ``VENDOR:CODENAME``.
    target_distribution: str = field(
        default="debian:unstable", validator=matches(r"[a-z0-9-]+:[\w.-]+", "a distribution such as debian:unstable")
    )
    #: Empty: all.
    include_tags: tuple[str, ...] = field(default=(), validator=each(a_tag))
    exclude_tags: tuple[str, ...] = field(default=(), validator=each(a_tag))
    fail_on_severity: FailOn = "error"

    @property
    def failing_severities(self) -> tuple[str, ...]:
        """The severities of which one hint is a failure."""
        if self.fail_on_severity == "none":
            return ()
        return SEVERITIES[: SEVERITIES.index(self.fail_on_severity) + 1]

    def includes(self, tag: str) -> bool:
        """Whether a tag is asked for."""
        return (not self.include_tags or tag in self.include_tags) and tag not in self.exclude_tags


@frozen(kw_only=True)
class LintianDynamicData(DynamicData):
    """What the server found for the lookups."""

    input_source_artifact_id: int | None = None
    input_binary_artifacts_ids: tuple[int, ...] = ()
    environment_id: int | None = None

    @property
    def inputs(self) -> list[int]:
        """All artifacts to check, each once, the source first."""
        found = (self.input_source_artifact_id, *self.input_binary_artifacts_ids)
        return list(dict.fromkeys(artifact for artifact in found if artifact is not None))


def labels(data: LintianData, codename: str | None) -> dict[str, Any]:
    """What makes the durations of two checks comparable; without an environment nothing does."""
    if codename is None:
        return {}
    return {"runtime_context": f"{'+'.join(data.output.kinds)}:{codename}", "configuration_context": codename}
