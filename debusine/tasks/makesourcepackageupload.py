"""The task that makes an upload of a source package alone."""

from typing import Any

from attrs import field, frozen

from debusine.plugin import Lookups, SingleLookup
from debusine.tasks.executor_tasks import ExecutorTask, told
from debusine.tasks.executors import EnvironmentData
from debusine.tasks.packages import SOURCE, source_name
from debusine.tasks.task_data import a_lookup


@frozen(kw_only=True)
class SourcePackageInput:
    """What the upload is to be of."""

    source_artifact: SingleLookup = field(validator=a_lookup)


@frozen(kw_only=True)
class SourcePackageUploadData(EnvironmentData):
    """An upload of a source package."""

    input: SourcePackageInput
    #: The upload tells the changes after this version.
    since_version: str | None = None
    target_distribution: str | None = None


class MakeSourcePackageUpload(ExecutorTask[SourcePackageUploadData]):
    """Writes the .changes of a source package."""

    name = "makesourcepackageupload"
    Data = SourcePackageUploadData

    @classmethod
    def resolve(cls, data: SourcePackageUploadData, lookups: Lookups) -> dict[str, Any]:
        """Find the source package, and the environment."""
        data.check_configuration()
        source = lookups.single(data.input.source_artifact, categories=(SOURCE,), field="input.source_artifact")
        image = data.resolve_environment(lookups)
        return {"input_source_artifact_id": source.id, **told(image, subject=source_name([source]))}
