"""What a submission may say of a build, and what its worker is told."""

from datetime import datetime
from email.utils import parseaddr
from typing import Any, Literal

from attrs import field, frozen, validators

from debusine.plugin import MultipleLookup, SingleLookup
from debusine.tasks.executors import BuildEnvironmentData
from debusine.tasks.task_data import DynamicData, Repository, a_lookup, each, matches, shown

Component = Literal["any", "all", "source"]

#: Characters.
LONGEST_ADDRESS = 400

#: Profiles that leave out what a build usually takes time for: its duration says nothing of others.
SHORTENING_PROFILES = {"nocheck", "nodoc"}


def an_address(_instance: object, _attribute: object, value: Any) -> None:
    """A validator: ``Name <mail@host>``; None passes."""
    if value is None:
        return
    # parseaddr takes long over long nonsense.
    name, address = parseaddr(value[:LONGEST_ADDRESS])
    if not (name and "@" in address and value.isprintable() and len(value) <= LONGEST_ADDRESS):
        message = f"{shown(value)} is not of the form 'Name <mail@host>'."
        raise ValueError(message)


@frozen(kw_only=True)
class BinNMU:
    """A rebuild of binary packages under a new version, without a change of the source."""

    #: The entry's text.
    changelog: str = field(validator=validators.min_len(1))
    #: What the version gets at its end, for instance ``+b1``.
    suffix: str = field(validator=matches(r"[A-Za-z0-9.+~]+", "the end of a version such as +b1"))
    #: Of the changelog's entry; None: the time of the build.
    timestamp: datetime | None = None
    maintainer: str | None = field(default=None, validator=an_address)


@frozen(kw_only=True)
class SbuildInput:
    """What to build, and packages to build it with."""

    source_artifact: SingleLookup = field(validator=a_lookup)
    extra_binary_artifacts: MultipleLookup = field(factory=MultipleLookup)


@frozen(kw_only=True)
class SbuildData(BuildEnvironmentData):
    """A build of a source package."""

    input: SbuildInput
    build_components: tuple[Component, ...] = field(default=("any",), validator=validators.min_len(1))
    binnmu: BinNMU | None = None
    build_profiles: tuple[str, ...] | None = field(
        default=None, validator=each(matches(r"[a-z0-9][A-Za-z0-9.+-]*", "a build profile such as nocheck"))
    )
    build_dep_resolver: Literal["apt", "aptitude", "aspcud", "xapt"] | None = None
    aspcud_criteria: str | None = None
    extra_repositories: tuple[Repository, ...] | None = None

    def __attrs_post_init__(self) -> None:
        """Check what no single field can tell."""
        if self.binnmu is not None and "all" in self.build_components:
            message = "A binnmu cannot build the component 'all'."
            raise ValueError(message)

    @property
    def labels(self) -> dict[str, Any]:
        """What makes the durations of two builds comparable; nothing when the profiles leave a part out."""
        if SHORTENING_PROFILES.intersection(self.build_profiles or ()):
            return {}
        components = set(self.build_components)
        kind = self.host_architecture if "any" in components else "all" if "all" in components else "source"
        return {"runtime_context": f"{'+'.join(sorted(components))}:{self.host_architecture}:{kind}"}


@frozen(kw_only=True)
class SbuildDynamicData(DynamicData):
    """What the server found for the lookups."""

    input_source_artifact_id: int
    input_extra_binary_artifacts_ids: tuple[int, ...] = ()
    environment_id: int
    binnmu_maintainer: str | None = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """All artifacts that a build is made of, the source first."""
        return (self.input_source_artifact_id, *self.input_extra_binary_artifacts_ids)
