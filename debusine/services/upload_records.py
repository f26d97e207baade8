"""What the database knows of uploads, and how it changes: transactions only."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from debusine.db.files_in_artifacts import NoSuchFile
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, DebusineError, NotFound, TooMany
from debusine.domain.files import ArtifactPath, FileUpload
from debusine.domain.rights import Action
from debusine.domain.uploads import Tail, UploadPart, UploadTarget
from debusine.services.fencing import fence
from debusine.services.file_stores import FileStores, Kept
from debusine.services.rights import authorize


class TooManyUploads(TooMany):
    """A user has begun too many uploads without finishing them."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are {limit} unfinished uploads already", detail="Finish some of them first")


class FileGone(NotFound):
    """The artifact was deleted while one of its files came in."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The artifact of {path!r} is gone", detail="It was deleted while the file was sent")


class BegunElsewhere(Conflict):
    """Another server has taken the first chunk of the same file."""

    def __init__(self, path: str) -> None:
        super().__init__(f"Another server takes {path!r} already", detail="Ask how far it is, and go on there")


class CopyGone(Conflict):
    """The copy of the same content that made storing it again needless has vanished meanwhile."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} could not be completed", detail="Send it again")


@frozen(kw_only=True)
class StoredChunk:
    """What a store has got of a file by one request."""

    store: int
    #: By which the store finds what was begun.
    data: Mapping[str, Any]
    parts: Sequence[UploadPart]
    tail: Tail | None


@frozen(kw_only=True)
class Wanted:
    """Whose request it is, and for which file."""

    subject: Subject
    artifact: int
    path: ArtifactPath
    #: The attempt of which a worker speaks.
    attempt: int | None = None


def find_target(uow: UnitOfWork, wanted: Wanted, stores: FileStores) -> UploadTarget:
    """The file that a subject may send, and the stores that may keep it."""
    artifact, target = uow.files_in_artifacts.upload_target(wanted.artifact, wanted.path)
    authorize(uow, wanted.subject, Action.UPLOAD_FILE, artifact)
    fence(uow, wanted.subject, artifact.created_by_work_request, wanted.attempt)
    if target is None:
        raise NoSuchFile(artifact.id, wanted.path)
    if target.place.complete:
        return target
    if not stores.alone:
        target = _with_stores(uow, target, artifact.workspace, stores)
    if target.upload is not None and not target.upload.path:
        return evolve(target, parted=uow.parted_uploads.of(target.upload.id))
    return target


def _with_stores(uow: UnitOfWork, target: UploadTarget, workspace: int, stores: FileStores) -> UploadTarget:
    takers = stores.takers(uow.workspaces.get(workspace), target.file.size)
    holding = {copy.store for copy in uow.stored_files.of_file(target.file.id)}
    return evolve(target, stores=takers, stored=next((store for store in takers if store in holding), None))


def why_none_takes(uow: UnitOfWork, target: UploadTarget, stores: FileStores) -> DebusineError:
    """The reason why no store may keep a file."""
    workspace = uow.workspaces.get(uow.artifacts.get(target.place.artifact).workspace)
    return stores.why_none_takes(workspace, target.file.size)


def parts_of(uow: UnitOfWork, target: UploadTarget) -> Sequence[UploadPart]:
    """The parts of a file that a store has, in their order."""
    return uow.parted_uploads.parts(target.upload.id) if target.upload is not None else ()


def advance(
    uow: UnitOfWork, target: UploadTarget, subject: Subject, name: str, received: int, open_uploads: int
) -> None:
    """Record that this many bytes of a partial file are durable; ``open_uploads`` is the most that a user may have."""
    if target.upload is not None:
        move(uow, target.upload, received)
    else:
        begin(uow, target, subject, name, received, open_uploads)


def advance_parted(
    uow: UnitOfWork, target: UploadTarget, subject: Subject, chunk: StoredChunk, received: int, open_uploads: int
) -> None:
    """Record that a store has this many bytes of a file, part by part."""
    if target.upload is not None:
        move(uow, target.upload, received)
        upload = target.upload.id
    else:
        upload = begin(uow, target, subject, "", received, open_uploads)
        uow.parted_uploads.begin(upload, chunk.store, chunk.data)
    uow.parted_uploads.add(upload, chunk.parts, chunk.tail)


def move(uow: UnitOfWork, upload: FileUpload, received: int) -> None:
    """Record how far an upload is, unless somebody else has taken it farther."""
    uow.uploads.save(evolve(upload, received=received, last_activity_at=uow.now), expecting=upload)


def begin(uow: UnitOfWork, target: UploadTarget, subject: Subject, name: str, received: int, open_uploads: int) -> int:
    """Record the first bytes of a file, and return the upload."""
    if uow.files_in_artifacts.get_or_none(target.place.id) is None:
        raise FileGone(target.place.path)
    if subject.user is not None and uow.uploads.of_user(subject.user.id) >= open_uploads:
        raise TooManyUploads(open_uploads)
    upload = uow.uploads.begin(target.place.id, name, received, at=uow.now)
    if upload is None:
        raise BegunElsewhere(target.place.path)
    return upload


def complete(uow: UnitOfWork, target: UploadTarget, kept: Kept | None) -> bool:
    """Record that a store keeps all of the file: the copy and the completeness at once.

    ``kept`` is the new copy; None: ``target.stored`` has one. False: the new copy is not needed. Another server may
    have recorded the same object: that is no new one.
    """
    if not uow.files_in_artifacts.mark_complete(target.place.id):
        raise FileGone(target.place.path)
    uow.uploads.end(target.place.id)
    if kept is not None:
        new = uow.stored_files.add(kept.store, target.file.id, kept.data, at=uow.now)
        return new or recorded(uow, target, kept)
    assert target.stored is not None, "without a new copy there is an old one"
    if not uow.stored_files.exists(target.stored, target.file.id):
        raise CopyGone(target.place.path)
    return False


def recorded(uow: UnitOfWork, target: UploadTarget, kept: Kept) -> bool:
    """Whether a row speaks of just this object."""
    return kept.data in uow.stored_files.data_of(kept.store, target.file.digest)


def discard(uow: UnitOfWork, target: UploadTarget) -> None:
    """Forget what has come so far: the next probe says 0."""
    if target.upload is not None:
        uow.uploads.delete(target.upload.id)
