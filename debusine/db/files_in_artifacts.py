"""Files in artifacts in the database, and their uploads."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.artifacts import ArtifactRepository
from debusine.db.batches import batches
from debusine.db.engine import hexadecimal, insert_or_ignore, json_rows
from debusine.db.repository import Missing, Repository
from debusine.domain.artifacts import Artifact
from debusine.domain.errors import NotFound
from debusine.domain.files import ArtifactPath, File, FileInArtifact, FileState, FileUpload, ListedFile
from debusine.domain.uploads import IdleUpload, UploadTarget


class NoSuchFile(NotFound):
    """An artifact has no file of this path."""

    def __init__(self, artifact: int, path: str) -> None:
        super().__init__(f"The artifact {artifact} has no file {path!r}")


class FileInArtifactRepository(Repository[FileInArtifact]):
    """Finds and keeps the files of artifacts by their paths."""

    table = tables.files_in_artifacts
    noun = FileInArtifact
    title = "file in an artifact"

    def get_or_none(self, id_: int, *, lock: bool = False) -> FileInArtifact | None:
        """The file in an artifact with this id."""
        statement = _WITH_FILE.where(self.table.c.id == id_)
        return self._one_or_none(statement.with_for_update(of=self.table) if lock else statement)

    def of(self, artifact: int) -> Sequence[FileInArtifact]:
        """The files of an artifact, sorted by path."""
        # By position, not by name: artifacts have thousands of files, and a row's names cost more than its values.
        return [_place(*row) for row in self.connection.execute(_OF_ARTIFACT, {"artifact": artifact})]

    def listed(self, artifact: int) -> Sequence[ListedFile]:
        """The files of an artifact as lists show them, sorted by path."""
        rows = self.connection.execute(_LISTED, {"artifact": artifact}).scalar_one()
        return [
            ListedFile(path, size, hash_, bool(complete), content_type)
            for path, size, hash_, complete, content_type in sorted(rows)
        ]

    def at(self, artifact: int, path: ArtifactPath) -> FileInArtifact:
        """The file of an artifact at a path, or ``NoSuchFile``."""
        row = self.connection.execute(_AT_PATH, {"artifact": artifact, "path": path}).one_or_none()
        if row is None:
            raise NoSuchFile(artifact, path)
        return _place(*row)

    def add_all(self, artifact: int, files: Iterable[tuple[ArtifactPath, File, bool, str | None]]) -> None:
        """Give an artifact its files: path, content, whether it is here already, content type."""
        rows = [
            {"artifact": artifact, "path": path, "file": file.id, "complete": complete, "content_type": content_type}
            for path, file, complete, content_type in files
        ]
        if rows:
            self.connection.execute(sa.insert(self.table), rows)

    def mark_complete(self, id_: int) -> bool:
        """Say that a store keeps the bytes; False: the artifact is gone."""
        return self.connection.execute(_MARK_COMPLETE, {"place": id_}).rowcount == 1

    def mark_incomplete(self, file: int) -> int:
        """Say that no store keeps the bytes of a file any more; returns in how many artifacts it was complete."""
        return self.connection.execute(_MARK_INCOMPLETE, {"wanted": file}).rowcount

    def incomplete(self, artifacts: Collection[int]) -> set[int]:
        """Those of these artifacts of which bytes are missing."""
        artifact, found = self.table.c.artifact, set[int]()
        for batch in batches(artifacts):
            missing = sa.select(artifact).where(artifact.in_(batch), sa.not_(self.table.c.complete)).distinct()
            found.update(self.connection.execute(missing).scalars())
        return found

    def count(self, artifacts: Collection[int]) -> int:
        """How many files these artifacts have together."""
        counted = sa.select(sa.func.count()).select_from(self.table)
        batched = (counted.where(self.table.c.artifact.in_(batch)) for batch in batches(sorted(artifacts)))
        return sum(self.connection.execute(statement).scalar_one() for statement in batched)

    def sizes(self, artifacts: Collection[int]) -> dict[int, dict[str, int]]:
        """Artifact → path → size in bytes; in one statement for some hundreds of them."""
        statement = sa.select(_places.c.artifact, _places.c.path, _files.c.size)
        statement = statement.join(_files, _files.c.id == _places.c.file).order_by(_places.c.path)
        found: dict[int, dict[str, int]] = {artifact: {} for artifact in artifacts}
        for batch in batches(found):
            for artifact, path, size in self.connection.execute(statement.where(_places.c.artifact.in_(batch))):
                found[artifact][path] = size
        return found

    def upload_target(self, artifact: int, path: ArtifactPath) -> tuple[Artifact, UploadTarget | None]:
        """All that an upload needs to know, in one statement; None: the artifact has no such path.

        ``Missing`` when there is no such artifact.
        """
        row = self.connection.execute(_UPLOAD_TARGET, {"artifact": artifact, "path": path}).one_or_none()
        if row is None:
            raise Missing(ArtifactRepository.title, artifact)
        values = tuple(row)
        found = Artifact(**dict(zip(_ARTIFACT_FIELDS, values[-len(_ARTIFACT_FIELDS) :], strict=True)))
        if row.id is None:
            return found, None
        place = _place(*values[:_OF_PLACE])
        stored = row.store if row.stored else None
        return found, UploadTarget(place=place, upload=_upload(row), stores=(row.store,), stored=stored)

    def _noun(self, row: sa.Row[Any]) -> FileInArtifact:
        return _place(*tuple(row))


class UploadRepository(Repository[FileUpload]):
    """Finds and keeps uploads in progress."""

    table = tables.file_uploads
    noun = FileUpload
    title = "upload"
    guards = ("received",)

    def begin(self, file_in_artifact: int, name: str, received: int, *, at: datetime) -> int | None:
        """Keep the first bytes of a file in an artifact and return the upload; None: somebody else does already."""
        row = {"file_in_artifact": file_in_artifact, "path": name, "received": received, "last_activity_at": at}
        statement = insert_or_ignore(self.connection, self.table).values(row).returning(self.table.c.id)
        return self.connection.scalars(statement).one_or_none()

    def end(self, file_in_artifact: int) -> None:
        """Forget what was taken of a file in an artifact, whoever took it."""
        self.connection.execute(_END, {"wanted": file_in_artifact})

    def of_user(self, user: int) -> int:
        """How many uploads of a user are not finished."""
        artifacts = tables.artifacts
        statement = sa.select(sa.func.count()).select_from(
            self.table.join(_places, _places.c.id == self.table.c.file_in_artifact).join(
                artifacts, artifacts.c.id == _places.c.artifact
            )
        )
        return self.connection.execute(statement.where(artifacts.c.created_by == user)).scalar_one()

    def idle_since(self, moment: datetime, *, limit: int) -> list[IdleUpload]:
        """Uploads of which no byte came after a moment, the oldest first."""
        uploads = self._all(
            self._select()
            .where(self.table.c.last_activity_at < moment)
            .order_by(self.table.c.last_activity_at)
            .limit(limit)
        )
        places = sa.select(_places.c.id, _places.c.artifact, _places.c.path)
        places = places.where(_places.c.id.in_([upload.file_in_artifact for upload in uploads]))
        found = {row.id: row for row in self.connection.execute(places)}
        return [_idle(upload, found[upload.file_in_artifact]) for upload in uploads]

    def forget(self, upload: FileUpload) -> bool:
        """Remove an upload if it is still as it was read; False: it has moved, or is gone."""
        columns = self.table.c
        same = (columns.id == upload.id, columns.received == upload.received)
        unmoved = columns.last_activity_at == upload.last_activity_at
        return self.connection.execute(sa.delete(self.table).where(*same, unmoved)).rowcount == 1

    def names(self) -> set[str]:
        """The names of all partial files that count."""
        return set(self.connection.execute(sa.select(self.table.c.path)).scalars())


def _place(
    id_: int,
    artifact: int,
    path: str,
    complete: bool,
    content_type: str | None,
    file: int,
    sha256: bytes,
    size: int,
    state: FileState,
) -> FileInArtifact:
    return FileInArtifact(
        id=id_,
        artifact=artifact,
        file=File(id=file, sha256=sha256, size=size, state=state),
        path=ArtifactPath.known(path),
        complete=complete,
        content_type=content_type,
    )


def _upload(row: Any) -> FileUpload | None:
    if row.upload is None:
        return None
    return FileUpload(
        id=row.upload,
        file_in_artifact=row.id,
        path=row.partial,
        received=row.received,
        last_activity_at=row.last_activity_at,
    )


def _idle(upload: FileUpload, place: Any) -> IdleUpload:
    return IdleUpload(upload=upload, artifact=place.artifact, path=ArtifactPath.known(place.path))


_places, _files, _uploads = tables.files_in_artifacts, tables.files, tables.file_uploads
_artifacts, _workspaces, _copies = tables.artifacts, tables.workspaces, tables.files_in_stores

#: In the order of the arguments of ``_place``.
_WITH_FILE = sa.select(
    _places.c.id,
    _places.c.artifact,
    _places.c.path,
    _places.c.complete,
    _places.c.content_type,
    _places.c.file,
    _files.c.sha256,
    _files.c.size,
    _files.c.state,
).join(_files, _files.c.id == _places.c.file)
_OF_PLACE = len(_WITH_FILE.selected_columns)

_OF_ARTIFACT = _WITH_FILE.where(_places.c.artifact == sa.bindparam("artifact")).order_by(_places.c.path)
_LISTED = (
    sa.select(
        json_rows(
            _places.c.path, _files.c.size, hexadecimal(_files.c.sha256), _places.c.complete, _places.c.content_type
        )
    )
    .join_from(_places, _files, _files.c.id == _places.c.file)
    .where(_places.c.artifact == sa.bindparam("artifact"))
)
_AT_PATH = _WITH_FILE.where(_places.c.artifact == sa.bindparam("artifact"), _places.c.path == sa.bindparam("path"))

_MARK_COMPLETE = sa.update(_places).where(_places.c.id == sa.bindparam("place")).values(complete=True)

_MARK_INCOMPLETE = (
    sa.update(_places).where(_places.c.file == sa.bindparam("wanted"), _places.c.complete).values(complete=False)
)

_ARTIFACT_FIELDS = tuple(column.name for column in ArtifactRepository.columns)
_UPLOAD_TARGET = (
    sa.select(
        *_WITH_FILE.selected_columns,
        _uploads.c.id.label("upload"),
        _uploads.c.path.label("partial"),
        _uploads.c.received,
        _uploads.c.last_activity_at,
        _workspaces.c.default_file_store.label("store"),
        sa.exists()
        .where(_copies.c.store == _workspaces.c.default_file_store, _copies.c.file == _files.c.id)
        .label("stored"),
        *(column.label(f"artifact_{column.name}") for column in ArtifactRepository.columns),
    )
    .select_from(_artifacts)
    .join(_workspaces, _workspaces.c.id == _artifacts.c.workspace)
    .outerjoin(_places, sa.and_(_places.c.artifact == _artifacts.c.id, _places.c.path == sa.bindparam("path")))
    .outerjoin(_files, _files.c.id == _places.c.file)
    .outerjoin(_uploads, _uploads.c.file_in_artifact == _places.c.id)
    .where(_artifacts.c.id == sa.bindparam("artifact"))
)

_END = sa.delete(_uploads).where(_uploads.c.file_in_artifact == sa.bindparam("wanted"))
