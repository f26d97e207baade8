"""The task that compares two versions of a package."""

from collections.abc import Sequence
from typing import Any, Literal

from attrs import field, frozen

from debusine.plugin import ArtifactFacts, Invalid, Lookups, MultipleLookup, SingleLookup
from debusine.tasks.executor_tasks import ExecutorTask, told
from debusine.tasks.executors import BuildEnvironmentData
from debusine.tasks.packages import BINARY, SOURCE, UPLOAD, source_name
from debusine.tasks.task_data import a_lookup, a_pair, each, something

Flag = Literal[
    "--dirs", "--nocontrol", "--wdiff-source-control", "--show-moved", "--diffstat", "--apply-patches", "--ignore-space"
]


class Incomparable(Invalid):
    """Two sides cannot be compared with each other."""

    def __init__(self, reason: str) -> None:
        path = "input.binary_artifacts"
        super().__init__("The packages cannot be compared", detail=reason, validation_errors={path: [reason]})


@frozen(kw_only=True)
class DebdiffInput:
    """What to compare: the original and the new one, of one kind."""

    source_artifacts: tuple[SingleLookup, ...] | None = field(default=None, validator=[a_pair, each(a_lookup)])
    binary_artifacts: tuple[MultipleLookup, ...] | None = field(default=None, validator=[a_pair, each(something)])

    def __attrs_post_init__(self) -> None:
        """Check that there is one pair."""
        if (self.source_artifacts is None) == (self.binary_artifacts is None):
            message = "Exactly one of source_artifacts and binary_artifacts is needed."
            raise ValueError(message)


@frozen(kw_only=True)
class DebdiffData(BuildEnvironmentData):
    """A comparison of two versions of a package."""

    input: DebdiffInput
    extra_flags: tuple[Flag, ...] = ()


class Debdiff(ExecutorTask[DebdiffData]):
    """Compares two source packages, or two sets of binary packages, with debdiff."""

    name = "debdiff"
    Data = DebdiffData

    @classmethod
    def resolve(cls, data: DebdiffData, lookups: Lookups) -> dict[str, Any]:
        """Find both sides, and the environment."""
        data.check_configuration()
        found = _sources(data.input, lookups) or _binaries(data.input, lookups)
        return {**found, **told(data.resolve_environment(lookups))}


def _sources(given: DebdiffInput, lookups: Lookups) -> dict[str, Any]:
    if given.source_artifacts is None:
        return {}
    pair = [
        lookups.single(side, categories=(SOURCE,), field=f"input.source_artifacts[{number}]")
        for number, side in enumerate(given.source_artifacts)
    ]
    return {"input_source_artifacts_ids": [side.id for side in pair], "subject": _subject("source", pair)}


def _binaries(given: DebdiffInput, lookups: Lookups) -> dict[str, Any]:
    pair = [
        lookups.multiple(side, categories=(BINARY, UPLOAD), field=f"input.binary_artifacts[{number}]")
        for number, side in enumerate(given.binary_artifacts or ())
    ]
    _check_kinds(pair)
    ids = [[artifact.id for artifact in side] for side in pair]
    return {"input_binary_artifacts_ids": ids, "subject": _subject("binary", pair[0])}


def _subject(kind: str, artifacts: Sequence[ArtifactFacts]) -> str | None:
    name = source_name(artifacts)
    return name and f"{kind}:{name}"


def _check_kinds(pair: Sequence[Sequence[ArtifactFacts]]) -> None:
    kinds = {artifact.category for side in pair for artifact in side}
    if len(kinds) > 1:
        raise Incomparable(f"They must be of one category, not of {' and '.join(sorted(kinds))}.")
    if UPLOAD in kinds and any(len(side) > 1 for side in pair):
        raise Incomparable(f"Each side may be one {UPLOAD} only.")
