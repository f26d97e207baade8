"""The task that takes the files out of packages that are to be signed."""

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import field, frozen

from debusine.plugin import (
    ArtifactFacts,
    Lookups,
    MultipleLookup,
    RelationType,
    SingleLookup,
    UnresolvedLookup,
)
from debusine.tasks.executor_tasks import told
from debusine.tasks.packages import BINARY, UPLOAD, source_name
from debusine.tasks.signing_tasks import SigningData, SigningTask
from debusine.tasks.task_data import a_lookup, something


@frozen(kw_only=True)
class ExtractForSigningInput:
    """What is to be signed."""

    #: The package that tells which files of the others are to be signed.
    template_artifact: SingleLookup = field(validator=a_lookup)
    binary_artifacts: MultipleLookup = field(validator=something)


@frozen(kw_only=True)
class ExtractForSigningData(SigningData):
    """An extraction of files for a signature."""

    input: ExtractForSigningInput


class ExtractForSigning(SigningTask[ExtractForSigningData]):
    """Takes the files out of binary packages that a template names."""

    name = "extractforsigning"
    Data = ExtractForSigningData

    @classmethod
    def resolve(cls, data: ExtractForSigningData, lookups: Lookups) -> dict[str, Any]:
        """Find the template, the packages (those that an upload extends in its place), and the environment."""
        data.check_configuration()
        template = lookups.single(data.input.template_artifact, categories=(BINARY,), field="input.template_artifact")
        given = lookups.multiple(
            data.input.binary_artifacts, categories=(BINARY, UPLOAD), field="input.binary_artifacts"
        )
        packages = list(_packages(given, lookups))
        image = data.resolve_environment(lookups)
        return {
            "input_template_artifact_id": template.id,
            "input_binary_artifacts_ids": list(dict.fromkeys(packages)),
            **told(image, subject=source_name([template])),
        }


def _packages(given: Sequence[ArtifactFacts], lookups: Lookups) -> Iterator[int]:
    uploads = [artifact for artifact in given if artifact.category == UPLOAD]
    extended = lookups.related(uploads, RelationType.EXTENDS, categories=(BINARY,))
    for artifact in given:
        if artifact.category != UPLOAD:
            yield artifact.id
            continue
        if not extended[artifact.id]:
            raise UnresolvedLookup(artifact.id, f"the upload extends no {BINARY}", "input.binary_artifacts")
        yield from (package.id for package in extended[artifact.id])
