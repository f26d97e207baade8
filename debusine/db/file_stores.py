"""File stores in the database; the configuration file is the truth for them."""

from collections.abc import Sequence

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.files import FileStore
from debusine.domain.workspaces import DEFAULT_STORE


class FileStoreRepository(Repository[FileStore]):
    """Finds and keeps file stores."""

    table = tables.file_stores
    noun = FileStore
    title = "file store"

    def default(self) -> FileStore | None:
        """The store of workspaces that choose none; None before the first start."""
        return self.by_name(DEFAULT_STORE)

    def by_name(self, name: str) -> FileStore | None:
        """The store with this name."""
        return self._one_or_none(sa.select(self.table).where(self.table.c.name == name))

    def all(self) -> Sequence[FileStore]:
        """Every store, by name."""
        return self._all(sa.select(self.table).order_by(self.table.c.name))

    def holds_files(self, store: int) -> bool:
        """Whether anything is kept in a store: copies, what is set aside, what has begun to come."""
        return any(
            self.connection.execute(sa.select(table.c.id).where(table.c.store == store).limit(1)).first() is not None
            for table in (tables.files_in_stores, tables.set_aside_copies, tables.parted_uploads)
        )
