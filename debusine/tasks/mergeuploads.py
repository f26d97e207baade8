"""The task that makes one upload of several."""

from typing import Any

from attrs import field, frozen

from debusine.plugin import Lookups, MultipleLookup, RunElsewhere, SingleLookup
from debusine.tasks.packages import UPLOAD, source_name
from debusine.tasks.task_data import Backend, TaskData, a_lookup, something


@frozen(kw_only=True)
class MergeUploadsInput:
    """What to merge."""

    uploads: MultipleLookup = field(validator=something)


@frozen(kw_only=True)
class MergeUploadsData(TaskData):
    """A merge of uploads of one source."""

    input: MergeUploadsInput
    #: These two mean nothing any more; older submissions still have them.
    backend: Backend | None = None
    environment: SingleLookup | None = field(default=None, validator=a_lookup)


class MergeUploads(RunElsewhere[MergeUploadsData]):
    """Merges the uploads of one source for several architectures into one."""

    name = "mergeuploads"
    Data = MergeUploadsData

    @classmethod
    def resolve(cls, data: MergeUploadsData, lookups: Lookups) -> dict[str, Any]:
        """Find the uploads."""
        data.check_configuration()
        uploads = lookups.multiple(data.input.uploads, categories=(UPLOAD,), field="input.uploads")
        return {"input_uploads_ids": [upload.id for upload in uploads], "subject": source_name(uploads)}
