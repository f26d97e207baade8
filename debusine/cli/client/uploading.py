"""Uploading: an artifact on its way to the server, with its progress shown."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from debusine.cli.client.progress import missing_sizes, shown_progress, shown_status
from debusine.cli.client.session import Session
from debusine.client import Client
from debusine.domain.errors import DebusineError
from debusine.protocol.resources import ArtifactResource


@frozen(kw_only=True)
class Parcel:
    """What an artifact is to hold."""

    category: str
    data: Mapping[str, Any]
    #: Path in the artifact → local file.
    files: Mapping[str, Path]
    #: None: the server's default one.
    workspace: str | None = None
    expire_at: datetime | None = None


async def send(session: Session, parcel: Parcel) -> ArtifactResource:
    """Make an artifact and upload what the server lacks; returns it as it was when it was made."""
    with shown_status(session, f"Reading {_several(parcel.files)}"):
        artifact = await _declared(session.client, parcel)
    try:
        with shown_progress(session, "Uploading", missing_sizes(artifact)) as progress:
            await session.client.upload_files(artifact, parcel.files, progress)
    except DebusineError:
        session.tell(f"Artifact {artifact.id} was made, but stays incomplete.")
        raise
    return artifact


async def _declared(client: Client, parcel: Parcel) -> ArtifactResource:
    return await client.create_artifact(
        parcel.category,
        data=parcel.data,
        files=parcel.files,
        workspace=parcel.workspace,
        expire_at=parcel.expire_at,
    )


def _several(files: Mapping[str, Path]) -> str:
    return next(iter(files)) if len(files) == 1 else f"{len(files)} files"
