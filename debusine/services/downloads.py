"""Downloads: which files somebody may have, and where their bytes come from."""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from attrs import frozen

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import Artifact
from debusine.domain.errors import DebusineError, NotFound, Unavailable
from debusine.domain.files import ArtifactPath, FileInArtifact, FileInStore
from debusine.domain.rights import Action
from debusine.domain.workspaces import Workspace
from debusine.plugin import Damaged, FileMissing, FileStoreBackend, StoreData
from debusine.services.artifacts import find
from debusine.services.file_stores import FileStores
from debusine.services.local_files import local_chunks
from debusine.services.rights import hidden

logger = logging.getLogger(__name__)


class NotYetThere(NotFound):
    """A file of an artifact was declared, and its bytes have not all come."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} is incomplete", detail="Its upload has not been finished")


class NothingBelow(NotFound):
    """An artifact has neither a file nor a directory of this path."""

    def __init__(self, artifact: int, path: str) -> None:
        super().__init__(f"The artifact {artifact} has no file or directory {path!r}")


class Unreadable(Unavailable):
    """No store gives the bytes of a file just now."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} cannot be read from its store just now")


@frozen(kw_only=True)
class Wish:
    """What somebody wants to download."""

    subject: Subject
    #: By name; the artifact must be in it.
    workspace: str
    artifact: int
    #: None: the whole artifact.
    path: ArtifactPath | None
    #: Whether a tar.gz is wanted, not a file.
    archive: bool


@frozen(kw_only=True)
class StoredFile:
    """A file of an artifact and where its bytes are, the best copy first."""

    place: FileInArtifact
    copies: Sequence[FileInStore]


@frozen(kw_only=True)
class Download:
    """What is to be sent."""

    artifact: Artifact
    workspace: Workspace
    #: Exactly one unless it is an archive.
    files: Sequence[StoredFile]
    archive: bool


def granted(uow: UnitOfWork, wish: Wish) -> Download:
    """What a subject gets for its wish: one file, or the complete files of the artifact or a directory of it."""
    artifact = find(uow, wish.subject, Action.READ_ARTIFACT, wish.artifact)
    workspace = uow.workspaces.get(artifact.workspace)
    if workspace.name != wish.workspace:
        raise hidden(artifact)
    if wish.path is not None and not wish.archive:
        places = [uow.files_in_artifacts.at(artifact.id, wish.path)]
        return _one_file(uow, artifact, workspace, places[0])
    places = _below(artifact.id, wish.path, uow.files_in_artifacts.of(artifact.id))
    if len(places) == 1 and not wish.archive:
        return _one_file(uow, artifact, workspace, places[0])
    complete = [place for place in places if place.complete]
    return Download(artifact=artifact, workspace=workspace, files=_stored(uow, workspace, complete), archive=True)


@asynccontextmanager
async def contents(
    database: Database, stores: FileStores, stored: StoredFile, start: int = 0, length: int | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Read a file from the first copy that can be opened; ``Unreadable`` when there is none.

    Within the block an error of the store comes out of the iterator: what was read until then is not all.
    """
    part = Part(stored.place, start, stored.place.file.size if length is None else length)
    async with AsyncExitStack() as stack:
        chunks = await _first_opened(stack, stores, part, stored.copies)
        if chunks is None:
            # They may have moved to another store since somebody looked.
            copies = await database.read(lambda uow: uow.stored_files.of_file(stored.place.file.id))
            chunks = await _first_opened(stack, stores, part, [copy for copy in copies if copy not in stored.copies])
        if chunks is None:
            raise Unreadable(stored.place.path)
        yield chunks


async def direct_url(stores: FileStores, stored: StoredFile, *, disposition: str, content_type: str) -> str | None:
    """Where a client can fetch a file from its store for a short while; None: only through this server."""
    for copy in stores.readers(stored.copies)[:1]:
        try:
            with stores.watching(copy.store) as backend:
                return await backend.download_url(
                    stored.place.file, StoreData(copy.data), content_disposition=disposition, content_type=content_type
                )
        except (DebusineError, OSError) as error:
            logger.error("The store %s gives no address: %s", stores.name_of(copy.store), error)
    return None


@frozen
class Part:
    """Which bytes of which file are wanted."""

    place: FileInArtifact
    start: int
    length: int


async def _first_opened(
    stack: AsyncExitStack, stores: FileStores, part: Part, copies: Sequence[FileInStore]
) -> AsyncIterator[bytes] | None:
    for copy in stores.readers(copies):
        try:
            with stores.watching(copy.store) as backend:
                return await _open(stack, backend, part, StoreData(copy.data))
        except (DebusineError, OSError) as error:
            name = stores.name_of(copy.store)
            logger.error("The copy %s of file %s in store %s: %s", copy.id, copy.file, name, error)
    return None


async def _open(
    stack: AsyncExitStack, backend: FileStoreBackend[Any], part: Part, data: StoreData
) -> AsyncIterator[bytes]:
    file = part.place.file
    length = min(part.length, file.size - part.start)
    if (path := backend.local_path(file, data)) is not None:
        try:
            return await stack.enter_async_context(local_chunks(path, file, part.start, length))
        except (FileMissing, Damaged):
            pass  # a copy in front of the store, which has gone since: the backend knows where else to look
    return await stack.enter_async_context(backend.open(file, data, part.start, length))


def _one_file(uow: UnitOfWork, artifact: Artifact, workspace: Workspace, place: FileInArtifact) -> Download:
    if not place.complete:
        raise NotYetThere(place.path)
    return Download(artifact=artifact, workspace=workspace, files=_stored(uow, workspace, [place]), archive=False)


def _below(artifact: int, path: ArtifactPath | None, places: Iterable[FileInArtifact]) -> list[FileInArtifact]:
    if path is None:
        return list(places)
    found = [place for place in places if place.path == path or place.path.startswith(f"{path}/")]
    if not found:
        raise NothingBelow(artifact, path)
    return found


def _stored(uow: UnitOfWork, workspace: Workspace, places: Sequence[FileInArtifact]) -> list[StoredFile]:
    copies = uow.stored_files.copies({place.file.id for place in places})
    rank = {store: number for number, store in enumerate(workspace.file_stores)}
    return [
        StoredFile(
            place=place,
            copies=sorted(copies.get(place.file.id, ()), key=lambda copy: rank.get(copy.store, len(rank))),
        )
        for place in places
    ]
