"""The client: artifacts, relations and work requests of one server."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from debusine.client.artifact_files import absolute, download_files, targets_below, upload_files
from debusine.client.connection import Connection
from debusine.client.declaring import declare
from debusine.client.downloads import download_stream
from debusine.client.transfer import Progress, no_progress
from debusine.client.watching import Heard, Watch
from debusine.converter.structure import unstructure
from debusine.domain.artifacts import RelationType
from debusine.protocol import headers
from debusine.protocol.explanations import Explanation
from debusine.protocol.resources import (
    ArtifactResource,
    ArtifactSubmission,
    Caller,
    RelationResource,
    RelationSubmission,
    ServiceStatus,
    WorkRequestPage,
    WorkRequestResource,
)

#: Work requests asked for at a time.
PAGE = 100


class Client:
    """What users and running attempts ask of a server; every method may raise what ``Connection.call`` raises."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def of_attempt(self, attempt: int | None) -> "Client":
        """The same client, speaking for one attempt of a work request; None: for none."""
        return self if attempt is None else Client(self.connection.with_headers({headers.ATTEMPT: str(attempt)}))

    async def create_artifact(
        self,
        category: str,
        *,
        data: Mapping[str, Any],
        files: Mapping[str, Path] | None = None,
        workspace: str | None = None,
        work_request: int | None = None,
        expire_at: datetime | None = None,
    ) -> ArtifactResource:
        """Declare an artifact with its files (path in it → local file); its ``files_to_upload`` are yet to be sent."""
        submission = ArtifactSubmission(
            category=category,
            workspace=workspace,
            files=await declare(files or {}),
            data=dict(data),
            work_request=work_request,
            expire_at=expire_at,
        )
        # A second artifact does less harm than work that is lost because the server was started again meanwhile.
        repeatable = work_request is not None
        body = _without_nulls(unstructure(submission), "workspace", "expiration_delay")
        answer = await self.connection.call("POST", "artifact/", body=body, expected={201}, repeatable=repeatable)
        return answer.into(ArtifactResource)

    async def upload_files(
        self, artifact: ArtifactResource, files: Mapping[str, Path], progress: Progress = no_progress
    ) -> None:
        """Send the files that the server lacks; see ``Upload.run`` for what it raises."""
        await upload_files(self.connection, artifact, files, progress)

    async def upload_artifact(
        self,
        category: str,
        *,
        data: Mapping[str, Any],
        files: Mapping[str, Path] | None = None,
        workspace: str | None = None,
        work_request: int | None = None,
        expire_at: datetime | None = None,
        progress: Progress = no_progress,
    ) -> ArtifactResource:
        """Declare an artifact and send its files: it is complete when this returns."""
        artifact = await self.create_artifact(
            category, data=data, files=files, workspace=workspace, work_request=work_request, expire_at=expire_at
        )
        await self.upload_files(artifact, files or {}, progress)
        return artifact

    async def get_artifact(self, id_: int) -> ArtifactResource:
        """Describe an artifact."""
        answer = await self.connection.call("GET", f"artifact/{id_}/", expected={200})
        return answer.into(ArtifactResource)

    async def download_artifact(
        self,
        artifact: ArtifactResource,
        into: Path,
        paths: Iterable[str] | None = None,
        progress: Progress = no_progress,
    ) -> list[Path]:
        """Fetch files (None: all) below a directory and return where they are; nothing is ever overwritten."""
        targets = targets_below(artifact, into, paths)
        await download_files(self.connection, artifact, targets, progress)
        return list(targets.values())

    async def download_file(
        self, artifact: ArtifactResource, path: str, destination: Path, progress: Progress = no_progress
    ) -> None:
        """Fetch one file of an artifact to a place of its own."""
        await download_files(self.connection, artifact, {path: destination}, progress)

    async def download_tarball(
        self, artifact: ArtifactResource, destination: Path, progress: Progress = no_progress
    ) -> None:
        """Fetch all complete files as one ``.tar.gz``, made by the server on the fly."""
        await download_stream(self.connection, absolute(artifact.download_tar_gz_url), destination, progress)

    async def create_relation(self, artifact: int, target: int, type_: RelationType) -> RelationResource:
        """Say how two artifacts relate; saying it twice is harmless."""
        body = unstructure(RelationSubmission(artifact=artifact, target=target, type=type_))
        answer = await self.connection.call(
            "POST", "artifact-relation/", body=body, expected={200, 201}, repeatable=True
        )
        return answer.into(RelationResource)

    async def delete_relation(self, id_: int) -> None:
        """Undo a relation; ``Missing`` when there is none, for instance because this was said before."""
        await self.connection.call("DELETE", f"artifact-relation/{id_}/", expected={204})

    async def list_relations(
        self, *, artifact: int | None = None, target_artifact: int | None = None
    ) -> list[RelationResource]:
        """The relations from an artifact, or those to a target."""
        query = f"artifact={artifact}" if target_artifact is None else f"target_artifact={target_artifact}"
        answer = await self.connection.call("GET", f"artifact-relation/?{query}", expected={200})
        return answer.into(list[RelationResource])

    async def create_work_request(
        self,
        task_name: str,
        *,
        task_data: Mapping[str, Any],
        event_reactions: Mapping[str, Any] | None = None,
        workspace: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - of the work, on the worker
    ) -> WorkRequestResource:
        """Ask for work; ``timeout``: seconds that an attempt may run (None: the server's default)."""
        body = {
            "task_name": task_name,
            "task_data": dict(task_data),
            "event_reactions": dict(event_reactions or {}),
            "workspace": workspace,
            "timeout": timeout,  # another server than ours knows no such key
        }
        body = _without_nulls(body, "workspace", "timeout")
        answer = await self.connection.call("POST", "work-request/", body=body, expected={200})
        return answer.into(WorkRequestResource)

    async def get_work_request(self, id_: int) -> WorkRequestResource:
        """Describe a work request."""
        answer = await self.connection.call("GET", f"work-request/{id_}/", expected={200})
        return answer.into(WorkRequestResource)

    async def explain_work_request(self, id_: int) -> Explanation:
        """Ask why a work request waits; ``Missing`` also when the server does not tell such things."""
        answer = await self.connection.call("GET", f"work-request/{id_}/explanation/", expected={200})
        return answer.into(Explanation)

    async def adjust_priority(self, work_request: int, adjustment: int) -> WorkRequestResource:
        """Have a work request go before (above 0) or after others that wait."""
        body = {"priority_adjustment": adjustment}
        answer = await self.connection.call("PATCH", f"work-request/{work_request}/", body=body, expected={200})
        return answer.into(WorkRequestResource)

    async def retry_work_request(self, work_request: int) -> WorkRequestResource:
        """Ask again for what was aborted or has failed; returns the new work request."""
        answer = await self.connection.call("POST", f"work-request/{work_request}/retry/", body={}, expected={200})
        return answer.into(WorkRequestResource)

    async def abort_work_request(self, work_request: int) -> WorkRequestResource:
        """Abort what has not ended; ``Refused`` when it has."""
        answer = await self.connection.call("POST", f"work-request/{work_request}/abort/", body={}, expected={200})
        return answer.into(WorkRequestResource)

    def watch(self, workspaces: Collection[str] = (), heard: Heard | None = None) -> Watch:
        """Hear of work requests that end: in some workspaces (none: all), behind what was heard (None: from now on)."""
        return Watch(self.connection, workspaces=workspaces, heard=heard)

    async def who_am_i(self) -> Caller:
        """As whom the server knows this client."""
        return (await self.connection.call("GET", "whoami/", expected={200})).into(Caller)

    async def service_status(self) -> ServiceStatus:
        """How busy the farm is."""
        return (await self.connection.call("GET", "service-status/", expected={200})).into(ServiceStatus)

    async def list_work_requests(self, limit: int = 20) -> list[WorkRequestResource]:
        """The latest work requests, newest first, at most ``limit``."""
        found: list[WorkRequestResource] = []
        url = self.connection.access.url(f"work-request/?page_size={min(max(limit, 1), PAGE)}")
        while len(found) < limit:
            page = (await self.connection.call("GET", url, expected={200})).into(WorkRequestPage)
            found += page.results
            if page.next is None:
                break
            url = absolute(page.next)
        return found[:limit]


def _without_nulls(body: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None or key not in keys}
