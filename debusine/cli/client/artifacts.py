"""The commands about artifacts."""

import asyncio
from pathlib import Path
from typing import Any

import click

from debusine.cli.client.creating import print_refusal, print_success
from debusine.cli.client.given import STDIN, local_files, read_mapping, read_moment
from debusine.cli.client.options import global_options
from debusine.cli.client.progress import shown_progress
from debusine.cli.client.session import Session, run
from debusine.cli.client.shown import artifact_shown, relation_shown
from debusine.cli.client.uploading import Parcel, send
from debusine.cli.client.variadic import VariadicCommand
from debusine.client import Refused
from debusine.converter.categories import check_artifact
from debusine.domain.categories import ArtifactCategory
from debusine.protocol.resources import ArtifactResource

CATEGORIES = [category.value for category in ArtifactCategory]

CREATE_EXAMPLES = """\b
Examples:
  debusine create-artifact debusine:test --upload results.txt logs/build.log
  debusine create-artifact debian:package-build-log --data log.yaml --upload hello.build
  echo '{original: a, new: b}' | debusine create-artifact debian:debdiff --data - --upload debdiff.txt

Categories: """ + ", ".join(CATEGORIES)
SHOW_EXAMPLES = """\b
Examples:
  debusine show-artifact 12
  debusine show-artifact 12 --json | jq -r '.files | keys[]'
"""
RELATIONS_EXAMPLES = """\b
Examples:
  debusine show-artifact-relations 12            what artifact 12 extends, relates to, was built with
  debusine show-artifact-relations 12 --reverse  what extends artifact 12, relates to it, was built with it
"""
DOWNLOAD_EXAMPLES = """\b
Examples:
  debusine download-artifact 12
  debusine download-artifact 12 --target-directory results
  debusine download-artifact 12 --tarball        one file, artifact-12.tar.gz
"""
data_option = click.option(
    "--data",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="The artifact's data as YAML; - reads standard input.",
)
target_option = click.option(
    "--target-directory",
    metavar="DIRECTORY",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to put the files, instead of here; made when it is not there.",
)


@click.command(
    cls=VariadicCommand,
    variadic=["--upload"],
    positional=CATEGORIES,
    short_help="Make an artifact.",
    epilog=CREATE_EXAMPLES,
)
@click.argument("category", metavar="CATEGORY", type=click.Choice(CATEGORIES))
@click.option("--workspace", metavar="NAME", help="The workspace, instead of the server's default one.")
@click.option("--upload", metavar="FILE…", multiple=True, help="The files, one or several.")
@click.option(
    "--upload-base-directory",
    metavar="DIRECTORY",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where relative names of files begin; in the artifact they keep their directories.",
)
@click.option("--expire-at", metavar="TIME", help="When it may be deleted, for instance 2027-01-31T12:00:00Z.")
@data_option
@global_options
def create_artifact(
    category: str,
    workspace: str | None,
    upload: tuple[str, ...],
    upload_base_directory: Path | None,
    expire_at: str | None,
    data: str | None,
) -> None:
    """Make an artifact of a category and upload its files.

    The data and the files are checked against the category before anything is sent.
    """
    parcel = Parcel(
        category=category,
        data=read_mapping(data) if data else {},
        files=local_files(upload, upload_base_directory),
        workspace=workspace,
        expire_at=read_moment(expire_at),
    )
    check_artifact(category, parcel.data, parcel.files)
    begin = data == STDIN

    async def create(session: Session) -> int:
        try:
            artifact = await send(session, parcel)
        except Refused as error:
            return print_refusal(session, error, begin=begin)
        message = f"New artifact created: {session.absolute(artifact.url)}"
        return print_success(session, message, _facts(artifact), begin=begin)

    run(create)


def _facts(artifact: ArtifactResource) -> dict[str, Any]:
    return {
        "artifact_id": artifact.id,
        "files_to_upload": len(artifact.files_to_upload),
        "expire_at": artifact.expire_at,
    }


@click.command(short_help="Show an artifact.", epilog=SHOW_EXAMPLES)
@click.argument("artifact_id", metavar="ID", type=int)
@global_options
def show_artifact(artifact_id: int) -> None:
    """Show an artifact: its data and its files."""

    async def show(session: Session) -> None:
        session.print(artifact_shown(await session.client.get_artifact(artifact_id)))

    run(show)


@click.command(short_help="Show how it relates to others.", epilog=RELATIONS_EXAMPLES)
@click.argument("artifact_id", metavar="ID", type=int)
@click.option("--reverse", is_flag=True, help="The relations to the artifact, not those from it.")
@global_options
def show_artifact_relations(artifact_id: int, reverse: bool) -> None:
    """Show how an artifact relates to others."""
    end = "target_artifact" if reverse else "artifact"

    async def show(session: Session) -> None:
        relations = await session.client.list_relations(**{end: artifact_id})
        session.print([relation_shown(relation) for relation in relations])

    run(show)


@click.command(short_help="Download its files.", epilog=DOWNLOAD_EXAMPLES)
@click.argument("artifact_id", metavar="ID", type=int)
@target_option
@click.option("--tarball", is_flag=True, help="One .tar.gz of all files, instead of the files.")
@global_options
def download_artifact(artifact_id: int, target_directory: Path, tarball: bool) -> None:
    """Download an artifact's files and print their names.

    Each file is compared with its SHA-256; files that are there already are never overwritten.
    """

    async def download(session: Session) -> None:
        artifact = await session.client.get_artifact(artifact_id)
        await asyncio.to_thread(target_directory.mkdir, parents=True, exist_ok=True)
        fetch = _fetch_tarball if tarball else _fetch_files
        names = await fetch(session, artifact, target_directory)
        session.print(names) if session.options.json else click.echo("".join(f"{name}\n" for name in names), nl=False)

    run(download)


async def _fetch_files(session: Session, artifact: ArtifactResource, directory: Path) -> list[str]:
    sizes = {path: file.size for path, file in artifact.files.items()}
    with shown_progress(session, "Downloading", sizes) as progress:
        await session.client.download_artifact(artifact, directory, progress=progress)
    return list(artifact.files)


async def _fetch_tarball(session: Session, artifact: ArtifactResource, directory: Path) -> list[str]:
    name = f"artifact-{artifact.id}.tar.gz"
    with shown_progress(session, "Downloading", {name: 0}) as progress:
        await session.client.download_tarball(artifact, directory / name, progress)
    return [name]
