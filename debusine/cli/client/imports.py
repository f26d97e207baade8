"""The command that imports Debian's own files."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from debusine.cli.client.creating import print_refusal, print_success
from debusine.cli.client.fetching import fetched
from debusine.cli.client.given import read_moment
from debusine.cli.client.options import global_options
from debusine.cli.client.session import Session, run
from debusine.cli.client.uploading import Parcel, send
from debusine.client import Refused
from debusine.converter.categories import check_artifact
from debusine.debian import DebianArtifact, artifacts_of
from debusine.domain.artifacts import RelationType
from debusine.protocol.resources import ArtifactResource

EXAMPLES = """\b
Examples:
  debusine import-debian-artifact hello_2.10-3.dsc
  debusine import-debian-artifact ../hello_2.10-3_amd64.changes --workspace System
  debusine import-debian-artifact https://mirror.example/debian/pool/main/h/hello/hello_2.10-3.dsc
"""


@click.command(short_help="Import a .changes, .dsc or .deb.", epilog=EXAMPLES)
@click.argument("upload", metavar="UPLOAD")
@click.option("--workspace", metavar="NAME", help="The workspace, instead of the server's default one.")
@click.option("--expire-at", metavar="TIME", help="When it may be deleted, for instance 2027-01-31T12:00:00Z.")
@global_options
def import_debian_artifact(upload: str, workspace: str | None, expire_at: str | None) -> None:
    """Import a .changes, .dsc, .deb, .ddeb or .udeb with all files that it lists, from a path or a URL.

    A .changes becomes an upload, a source package, binary packages, and the relations between them.
    """
    moment = read_moment(expire_at)

    async def bring(session: Session) -> int:
        with tempfile.TemporaryDirectory(prefix="debusine-import-") as directory:
            path = await fetched(session, upload, Path(directory))
            artifacts = await asyncio.to_thread(_checked, path)
            return await _bring(session, [_parcel(artifact, workspace, moment) for artifact in artifacts])

    run(bring)


def _parcel(artifact: DebianArtifact, workspace: str | None, expire_at: datetime | None) -> Parcel:
    return Parcel(
        category=artifact.category,
        data=artifact.data,
        files=artifact.files,
        workspace=workspace,
        expire_at=expire_at,
    )


def _checked(path: Path) -> list[DebianArtifact]:
    artifacts = artifacts_of(path)
    for artifact in artifacts:
        check_artifact(artifact.category, artifact.data, artifact.files)
    return artifacts


async def _bring(session: Session, parcels: Sequence[Parcel]) -> int:
    try:
        # One after the other: later ones find their files on the server already.
        artifacts = [await send(session, parcel) for parcel in parcels]
        await _relate(session, artifacts)
    except Refused as error:
        return print_refusal(session, error, always_fail=True)
    first, *others = artifacts
    related = [{"artifact_id": artifact.id} for artifact in others]
    message = f"New artifact created: {session.absolute(first.url)}"
    return print_success(session, message, {"artifact_id": first.id, "extends": related, "relates_to": related})


async def _relate(session: Session, artifacts: Sequence[ArtifactResource]) -> None:
    first, *others = artifacts
    for other in others:
        await session.client.create_relation(first.id, other.id, RelationType.EXTENDS)
        await session.client.create_relation(first.id, other.id, RelationType.RELATES_TO)
