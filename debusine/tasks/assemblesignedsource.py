"""The task that makes a source package of signatures."""

from typing import Any

from attrs import field, frozen

from debusine.plugin import Lookups, MultipleLookup, SingleLookup
from debusine.tasks.executor_tasks import told
from debusine.tasks.packages import BINARY, source_name
from debusine.tasks.signing_tasks import SigningData, SigningTask
from debusine.tasks.task_data import a_lookup, something

SIGNATURES = "debusine:signing-output"


@frozen(kw_only=True)
class AssembleSignedSourceData(SigningData):
    """An assembly of signatures."""

    #: The package that holds the sources of the new package.
    template: SingleLookup = field(validator=a_lookup)
    signed: MultipleLookup = field(validator=something)


class AssembleSignedSource(SigningTask[AssembleSignedSourceData]):
    """Puts signatures into the source package that a template holds."""

    name = "assemblesignedsource"
    Data = AssembleSignedSourceData

    @classmethod
    def resolve(cls, data: AssembleSignedSourceData, lookups: Lookups) -> dict[str, Any]:
        """Find the template, the signatures, the environment, and let the worker see where both came from."""
        data.check_configuration()
        template = lookups.single(data.template, categories=(BINARY,), field="template")
        signed = lookups.multiple(data.signed, categories=(SIGNATURES,), field="signed")
        image = data.resolve_environment(lookups)
        # The worker follows these relations, and relates what it makes to their targets: it must be able to see them.
        origins = lookups.related([template, *signed])
        lookups.related([origin for targets in origins.values() for origin in targets])
        return {
            "template_id": template.id,
            "signed_ids": [artifact.id for artifact in signed],
            **told(image, subject=source_name([template])),
        }
