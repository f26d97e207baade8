"""What the database knows of uploads, and how it changes: transactions only."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from debusine.db.files_in_artifacts import NoSuchFile
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, NotFound, TooMany
from debusine.domain.files import ArtifactPath
from debusine.domain.rights import Action
from debusine.domain.uploads import UploadTarget
from debusine.services.fencing import fence
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
class Wanted:
    """Whose request it is, and for which file."""

    subject: Subject
    artifact: int
    path: ArtifactPath
    #: The attempt of which a worker speaks.
    attempt: int | None = None


def find_target(uow: UnitOfWork, wanted: Wanted) -> UploadTarget:
    """The file that a subject may send."""
    artifact, target = uow.files_in_artifacts.upload_target(wanted.artifact, wanted.path)
    authorize(uow, wanted.subject, Action.UPLOAD_FILE, artifact)
    fence(uow, wanted.subject, artifact.created_by_work_request, wanted.attempt)
    if target is None:
        raise NoSuchFile(artifact.id, wanted.path)
    return target


def advance(
    uow: UnitOfWork, target: UploadTarget, subject: Subject, name: str, received: int, open_uploads: int
) -> None:
    """Record that this many bytes of a partial file are durable; ``open_uploads`` is the most that a user may have."""
    if target.upload is not None:
        moved = evolve(target.upload, received=received, last_activity_at=uow.now)
        uow.uploads.save(moved, expecting=target.upload)
        return
    if uow.files_in_artifacts.get_or_none(target.place.id) is None:
        raise FileGone(target.place.path)
    if subject.user is not None and uow.uploads.of_user(subject.user.id) >= open_uploads:
        raise TooManyUploads(open_uploads)
    if not uow.uploads.begin(target.place.id, name, received, at=uow.now):
        raise BegunElsewhere(target.place.path)


def complete(uow: UnitOfWork, target: UploadTarget, data: Mapping[str, Any] | None) -> bool:
    """Record that a store keeps all of the file: the copy and the completeness at once.

    ``data`` finds the new copy; None: the store has one. False: the new copy is not needed.
    """
    if not uow.files_in_artifacts.mark_complete(target.place.id):
        raise FileGone(target.place.path)
    uow.uploads.end(target.place.id)
    if data is not None:
        return uow.stored_files.add(target.store, target.file.id, data)
    if not uow.stored_files.exists(target.store, target.file.id):
        raise CopyGone(target.place.path)
    return False


def discard(uow: UnitOfWork, target: UploadTarget) -> None:
    """Forget what has come so far: the next probe says 0."""
    if target.upload is not None:
        uow.uploads.delete(target.upload.id)
