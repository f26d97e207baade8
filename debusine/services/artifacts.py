"""Artifacts: how they are made, and what there is to see of them."""

import logging
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import Artifact
from debusine.domain.errors import DebusineError, Invalid, NotFound, PermissionDenied
from debusine.domain.files import EMPTY_DIGEST, Digest, File, ListedFile
from debusine.domain.rights import Action
from debusine.domain.workers import Worker
from debusine.domain.workspaces import Workspace, WorkspaceNotFound
from debusine.services import workspaces
from debusine.services.declarations import Declaration
from debusine.services.fencing import fence
from debusine.services.file_stores import FileStores, Kept
from debusine.services.rights import authorize
from debusine.services.spool import Spool

logger = logging.getLogger(__name__)


class OnlyForWorkers(PermissionDenied):
    """A user claims that a work request made an artifact."""

    def __init__(self) -> None:
        super().__init__("work_request can only be given with the token of a worker")


class WorkRequestNeeded(PermissionDenied):
    """A worker does not say which work request made an artifact."""

    def __init__(self) -> None:
        super().__init__("Without work_request an artifact can only be created with the token of a user")


class UnknownWorkRequest(Invalid):
    """An artifact claims a work request that there is not, or not for this worker."""

    def __init__(self, work_request: int) -> None:
        message = f"WorkRequest {work_request} does not exist"
        super().__init__(message, validation_errors={"work_request": [message]})


class EmptyFileNotStored(Exception):
    """A store must be given the empty file before an artifact can have it; the operation sees to that."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace.name)
        self.workspace = workspace


@frozen(kw_only=True)
class ArtifactDescription:
    """An artifact with all that its representation needs."""

    artifact: Artifact
    workspace: Workspace
    #: Sorted by path.
    files: Sequence[ListedFile]


@frozen(kw_only=True)
class Maker:
    """Who makes an artifact, and where."""

    workspace: Workspace
    user: int | None = None
    work_request: int | None = None
    attempt: int | None = None


async def create(
    database: Database,
    stores: FileStores,
    spool: Spool,
    subject: Subject,
    declaration: Declaration,
    attempt: int | None = None,
) -> ArtifactDescription:
    """Make an artifact; its files are complete if the workspace has them already, or if they are empty."""
    try:
        return await database.write(declare, subject, declaration, attempt)
    except EmptyFileNotStored as missing:
        # The object first, then all rows in one transaction: a crash in between leaves an orphan for the sweep.
        async with spool.empty_file() as source:
            kept = await _store_empty(stores, missing.workspace, source)
    made = await database.write(declare, subject, declaration, attempt, empty_file=kept)
    await _remove_unless_needed(database, stores, kept)
    return made


def describe(uow: UnitOfWork, subject: Subject, artifact: int) -> ArtifactDescription:
    """An artifact that the subject may see."""
    return _description(uow, find(uow, subject, Action.READ_ARTIFACT, artifact))


def find(uow: UnitOfWork, subject: Subject, action: Action, artifact: int) -> Artifact:
    """The artifact, if the subject may do this to it; else the errors of ``authorize``."""
    found = uow.artifacts.get(artifact)
    authorize(uow, subject, action, found)
    return found


def declare(
    uow: UnitOfWork,
    subject: Subject,
    declaration: Declaration,
    attempt: int | None = None,
    *,
    empty_file: Kept | None = None,
) -> ArtifactDescription:
    """Record an artifact and its files; ``empty_file`` is what storing the empty file has returned."""
    maker = _maker(uow, subject, declaration, attempt)
    if attempt is not None and (made := _made_before(uow, maker, declaration)):
        return made
    artifact = uow.artifacts.insert(
        category=declaration.category,
        workspace=maker.workspace.id,
        data=declaration.data,
        created_at=uow.now,
        expire_at=declaration.expires(maker.workspace, uow.now),
        created_by=maker.user,
        created_by_work_request=maker.work_request,
        created_by_attempt=maker.attempt,
        attached=False,
    )
    _add_files(uow, artifact, maker.workspace, declaration, empty_file)
    return _description(uow, artifact, maker.workspace)


def _maker(uow: UnitOfWork, subject: Subject, declaration: Declaration, attempt: int | None) -> Maker:
    if subject.worker is not None:
        return _worker_makes(uow, subject, subject.worker, declaration, attempt)
    if subject.user is None:
        authorize(uow, subject, Action.CREATE_ARTIFACT)
    if declaration.work_request is not None:
        raise OnlyForWorkers
    workspace = workspaces.named(uow, subject, declaration.workspace)
    authorize(uow, subject, Action.CREATE_ARTIFACT, workspace)
    return Maker(workspace=workspace, user=subject.user.id if subject.user else None)


def _worker_makes(
    uow: UnitOfWork, subject: Subject, worker: Worker, declaration: Declaration, attempt: int | None
) -> Maker:
    if declaration.work_request is None:
        raise WorkRequestNeeded
    work_request = uow.work_requests.get_or_none(declaration.work_request)
    if work_request is None:
        raise UnknownWorkRequest(declaration.work_request)
    fence(uow, subject, work_request.id, attempt)
    try:
        authorize(uow, subject, Action.CREATE_ARTIFACT, work_request)
    except NotFound as error:  # hidden: the same answer as for one that is not there
        raise UnknownWorkRequest(work_request.id) from error
    workspace = uow.workspaces.get(work_request.workspace)
    if declaration.workspace not in {None, workspace.name}:
        raise WorkspaceNotFound(str(declaration.workspace))
    handed = uow.attempts.latest_of_worker(worker.id)
    return Maker(workspace=workspace, work_request=work_request.id, attempt=handed.number if handed else None)


def _made_before(uow: UnitOfWork, maker: Maker, declaration: Declaration) -> ArtifactDescription | None:
    """What the same attempt has made of the same declaration: the answer was lost, and its worker asks again."""
    if maker.work_request is None or maker.attempt is None:
        return None
    alike = [
        artifact
        for artifact in uow.artifacts.made_in(maker.work_request, maker.attempt)
        if (artifact.category, artifact.data) == (declaration.category, declaration.data)
    ]
    # Of all at once: it may have made thousands that are alike but for their files.
    sizes = uow.files_in_artifacts.sizes([artifact.id for artifact in alike]) if alike else {}
    declared = {file.path: file.digest.size for file in declaration.files}
    wanted = [(file.path, file.digest.hex, file.digest.size) for file in declaration.files]
    for artifact in alike:
        if sizes[artifact.id] == declared:
            made = _description(uow, artifact, maker.workspace)
            if [(file.path, file.hash, file.size) for file in made.files] == wanted:
                return made
    return None


def _add_files(
    uow: UnitOfWork,
    artifact: Artifact,
    workspace: Workspace,
    declaration: Declaration,
    empty_file: Kept | None,
) -> None:
    files = uow.files.get_or_create_all(declared.digest for declared in declaration.files)
    held = uow.files.held({file.id for file in files.values()}, workspace)
    if (empty := files.get(EMPTY_DIGEST)) and empty.id not in held:
        _record_empty(uow, empty, workspace, empty_file)
        held.add(empty.id)
    uow.files_in_artifacts.add_all(
        artifact.id,
        (
            (declared.path, file, file.id in held, declared.content_type)
            for declared in declaration.files
            for file in (files[declared.digest],)
        ),
    )


def _record_empty(uow: UnitOfWork, file: File, workspace: Workspace, kept: Kept | None) -> None:
    if uow.workspaces.is_file_in_workspace(workspace, file):
        return
    if kept is None:
        raise EmptyFileNotStored(workspace)
    uow.stored_files.add(kept.store, file.id, kept.data, at=uow.now)


async def _store_empty(stores: FileStores, workspace: Workspace, source: Path) -> Kept:
    takers = stores.takers(workspace, 0)
    if not takers:
        raise stores.why_none_takes(workspace, 0)
    return await stores.keep(takers, _file(EMPTY_DIGEST), source)


async def _remove_unless_needed(database: Database, stores: FileStores, kept: Kept) -> None:
    """Let go of an empty file when somebody else was faster; when that fails, the sweep finds it."""
    try:
        if kept.data not in await database.read(lambda uow: uow.stored_files.data_of(kept.store, EMPTY_DIGEST)):
            await stores.by_id(kept.store).remove(_file(EMPTY_DIGEST), kept.data)
    except (DebusineError, OSError) as error:
        logger.warning("A needless empty file stays in its store for now: %s", error)


def _file(digest: Digest) -> File:
    return File(sha256=digest.hash_digest, size=digest.size)


def _description(uow: UnitOfWork, artifact: Artifact, workspace: Workspace | None = None) -> ArtifactDescription:
    return ArtifactDescription(
        artifact=artifact,
        workspace=workspace or uow.workspaces.get(artifact.workspace),
        files=uow.files_in_artifacts.listed(artifact.id),
    )
