"""What is shown of artifacts, relations and work requests: the keys in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

from debusine.converter.structure import unstructure
from debusine.protocol.resources import ArtifactResource, RelationResource, WorkRequestResource

_ARTIFACT = (
    "id",
    "url",
    "workspace",
    "category",
    "created_at",
    "data",
    "download_tar_gz_url",
    "files_to_upload",
    "expire_at",
    "files",
)
_RELATION = ("artifact", "target", "type", "id")
_WORK_REQUEST = (
    "id",
    "url",
    "created_at",
    "started_at",
    "completed_at",
    "duration",
    "status",
    "result",
    "worker",
    "task_type",
    "task_name",
    "task_data",
    "dynamic_task_data",
    "priority_base",
    "priority_adjustment",
    "artifacts",
    "workspace",
)
#: Shown where a server tells it.
_TOLD_OF_WORK_REQUEST = ("attempt", "timeout", "aborted_by", "supersedes", "superseded_by")
_LISTED_WORK_REQUEST = (
    "id",
    "url",
    "task_type",
    "task_name",
    "task_data",
    "dynamic_task_data",
    "status",
    "result",
    "created_at",
    "started_at",
    "completed_at",
    "duration",
    "worker",
    "created_by",
    "aborted_by",
    "priority_base",
    "priority_adjustment",
    "workflow_data",
    "event_reactions",
    "artifacts",
    "scope",
    "workspace",
)


def artifact_shown(artifact: ArtifactResource) -> dict[str, Any]:
    """An artifact as ``show-artifact`` prints it."""
    return _chosen(unstructure(artifact), _ARTIFACT)


def relation_shown(relation: RelationResource) -> dict[str, Any]:
    """A relation as ``show-artifact-relations`` prints it."""
    return _chosen(unstructure(relation), _RELATION)


def work_request_shown(
    work_request: WorkRequestResource, artifacts: Sequence[Any], waits: str | None = None
) -> dict[str, Any]:
    """A work request as ``show-work-request`` prints it: with its artifacts, why it waits, why it went wrong."""
    values = {**unstructure(work_request), "artifacts": list(artifacts)}
    shown = _chosen(values, _WORK_REQUEST)
    told = {key: values[key] for key in _TOLD_OF_WORK_REQUEST if values[key] is not None}
    told |= {} if waits is None else {"waits": waits}
    output = work_request.output_data or {}
    return shown | told | ({"output_data": output} if output.get("errors") or output.get("skip_reason") else {})


def work_request_listed(work_request: WorkRequestResource) -> dict[str, Any]:
    """A work request as ``list-work-requests`` prints it."""
    return _chosen(unstructure(work_request), _LISTED_WORK_REQUEST)


def _chosen(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
