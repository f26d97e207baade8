"""Copies in the database: which store keeps which file, and what does not count as a copy any more."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.engine import insert_or_ignore
from debusine.db.repository import Repository
from debusine.domain.files import Digest, File, FileInStore, FileState, SetAsideCopy
from debusine.domain.stores import StoreContents


class FileInStoreRepository(Repository[FileInStore]):
    """Finds and keeps the copies of files in stores."""

    table = tables.files_in_stores
    noun = FileInStore
    title = "stored file"

    def add(self, store: int, file: int, data: Mapping[str, Any], *, at: datetime) -> bool:
        """Record a copy that is known to be right; False: the store has one already, and this one is not needed."""
        statement = _with_id(insert_or_ignore(self.connection, self.table))
        copy = {"store": store, "file": file, "data": dict(data), "verified_at": at}
        return self.connection.execute(statement, copy).first() is not None

    def exists(self, store: int, file: int) -> bool:
        """Whether a store keeps a file."""
        return self.connection.execute(_EXISTS, {"store": store, "file": file}).first() is not None

    def data_of(self, store: int, digest: Digest) -> Sequence[Mapping[str, Any]]:
        """By which data a store finds a content that is live."""
        columns = self.table.c
        found = sa.select(columns.data).join(_files, _files.c.id == columns.file).where(columns.store == store)
        content = (_files.c.sha256 == digest.hash_digest, _files.c.size == digest.size)
        return self.connection.execute(found.where(_LIVE_ONLY, *content)).scalars().all()

    def of_file(self, file: int) -> list[FileInStore]:
        """Where a file is kept."""
        return self._all(_OF_FILE, {"file": file})

    def copies(self, files: Collection[int]) -> dict[int, list[FileInStore]]:
        """File → where it is kept."""
        found: dict[int, list[FileInStore]] = {}
        for batch in batches(files):
            for copy in self._all(sa.select(self.table).where(self.table.c.file.in_(batch)).order_by(self.table.c.id)):
                found.setdefault(copy.file, []).append(copy)
        return found

    def in_store(self, store: int, *, after: int, limit: int) -> list[tuple[FileInStore, File]]:
        """Some of the copies in a store, by their ids, from the first one after ``after`` on."""
        return self._with_files(_IN_STORE, {"store": store, "after": after, "most": limit})

    def latest(self, store: int, *, limit: int) -> list[tuple[FileInStore, File]]:
        """The copies that a store got last."""
        return self._with_files(_LATEST, {"store": store, "most": limit})

    def unread_since(self, store: int, moment: datetime, *, limit: int) -> list[tuple[FileInStore, File]]:
        """Some of the copies in a store that nobody has read again since a moment, the longest unread first."""
        return self._with_files(_UNREAD, {"store": store, "moment": moment, "most": limit})

    def lacking(self, stores: Collection[int], *, after: int, limit: int) -> list[File]:
        """Some of the files that other stores keep and none of these does, by their ids, from the one after on."""
        values = {"stores": list(stores), "after": after, "most": limit}
        return [_file(row) for row in self.connection.execute(_LACKING, values)]

    def remove(self, copy: FileInStore) -> bool:
        """Let a row go; False: it is gone, or another one of the same store has taken its place."""
        return self.connection.execute(_REMOVE, {"wanted": copy.id}).rowcount == 1

    def mark_verified(self, copy: int, at: datetime) -> bool:
        """Note that the bytes were read and are right; False: the copy is gone."""
        return self.connection.execute(_MARK_VERIFIED, {"wanted": copy, "at": at}).rowcount == 1

    def contents(self) -> dict[int, StoreContents]:
        """Store → what it keeps; reads every copy that there is."""
        return {row.store: StoreContents(files=row.files, size=int(row.size)) for row in self._contents()}

    def _contents(self) -> sa.CursorResult[Any]:
        return self.connection.execute(_CONTENTS)

    def _with_files(self, statement: sa.Select[Any], values: Mapping[str, Any]) -> list[tuple[FileInStore, File]]:
        return [(_copy(row), _file(row)) for row in self.connection.execute(statement, values)]


class SetAsideCopyRepository(Repository[SetAsideCopy]):
    """Finds and keeps objects that do not count as copies any more."""

    table = tables.set_aside_copies
    noun = SetAsideCopy
    title = "copy that was set aside"

    def due(self, store: int, at: datetime, *, limit: int) -> list[tuple[SetAsideCopy, File]]:
        """Some of those in a store whose objects may go at a moment."""
        rows = self.connection.execute(_DUE, {"store": store, "moment": at, "most": limit})
        return [(self._of(row), _file(row)) for row in rows]

    def quarantined(self, store: int | None = None) -> list[SetAsideCopy]:
        """Those that are for the operator to look at, of one store or of all."""
        condition = self.table.c.remove_at.is_(None)
        statement = self._select().where(condition).order_by(self.table.c.id)
        return self._all(statement if store is None else statement.where(self.table.c.store == store))

    def count(self, store: int) -> tuple[int, int]:
        """How many in a store wait to be removed, and how many for the operator."""
        going = self.table.c.remove_at.is_not(None)
        statement = sa.select(sa.func.count().filter(going), sa.func.count().filter(sa.not_(going)))
        row = self.connection.execute(statement.where(self.table.c.store == store)).one()
        return int(row[0]), int(row[1])

    def _of(self, row: Any) -> SetAsideCopy:
        return SetAsideCopy(**{column.name: getattr(row, column.name) for column in self.columns})


@cache
def _with_id(insert: sa.Insert) -> Any:
    return insert.returning(tables.files_in_stores.c.id)


def _copy(row: Any) -> FileInStore:
    return FileInStore(id=row.id, store=row.store, file=row.file, data=row.data, verified_at=row.verified_at)


def _file(row: Any) -> File:
    return File(id=row.file, sha256=row.sha256, size=row.size, state=FileState(row.state))


_files, _copies, _aside = tables.files, tables.files_in_stores, tables.set_aside_copies

# The text is that of the partial index, which the databases use for no other wording.
_LIVE_ONLY = sa.text("files.state = 'live'")

_EXISTS = sa.select(_copies.c.id).where(
    _copies.c.store == sa.bindparam("store"), _copies.c.file == sa.bindparam("file")
)
_OF_FILE = sa.select(_copies).where(_copies.c.file == sa.bindparam("file")).order_by(_copies.c.id)
_CONTENT = (_files.c.sha256, _files.c.size, _files.c.state)
_COPY_WITH_FILE = (
    sa.select(*_copies.c, *_CONTENT)
    .join(_files, _files.c.id == _copies.c.file)
    .where(_copies.c.store == sa.bindparam("store"))
    .limit(sa.bindparam("most"))
)
_IN_STORE = _COPY_WITH_FILE.where(_copies.c.id > sa.bindparam("after")).order_by(_copies.c.id)
_LATEST = _COPY_WITH_FILE.order_by(_copies.c.verified_at.desc())
_UNREAD = _COPY_WITH_FILE.where(_copies.c.verified_at < sa.bindparam("moment")).order_by(_copies.c.verified_at)
_LACKING = (
    sa.select(_files.c.id.label("file"), *_CONTENT)
    .where(
        _files.c.id > sa.bindparam("after"),
        _LIVE_ONLY,
        sa.exists().where(_copies.c.file == _files.c.id),
        ~sa.exists().where(_copies.c.file == _files.c.id, _copies.c.store.in_(sa.bindparam("stores", expanding=True))),
    )
    .order_by(_files.c.id)
    .limit(sa.bindparam("most"))
)
_MARK_VERIFIED = sa.update(_copies).where(_copies.c.id == sa.bindparam("wanted")).values(verified_at=sa.bindparam("at"))
_REMOVE = sa.delete(_copies).where(_copies.c.id == sa.bindparam("wanted"))
_CONTENTS = (
    sa.select(_copies.c.store, sa.func.count().label("files"), sa.func.sum(_files.c.size).label("size"))
    .join(_files, _files.c.id == _copies.c.file)
    .group_by(_copies.c.store)
)
_DUE = (
    sa.select(*_aside.c, *_CONTENT)
    .join(_files, _files.c.id == _aside.c.file)
    .where(
        _aside.c.store == sa.bindparam("store"),
        sa.text("set_aside_copies.remove_at IS NOT NULL"),
        _aside.c.remove_at <= sa.bindparam("moment"),
    )
    .order_by(_aside.c.remove_at)
    .limit(sa.bindparam("most"))
)
