"""Workspaces in the database, with the stores that they may use."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.repository import Repository
from debusine.domain.files import File
from debusine.domain.workspaces import DEFAULT_WORKSPACE, Workspace

_stores = tables.workspace_file_stores


class WorkspaceRepository(Repository[Workspace]):
    """Finds and keeps workspaces."""

    table = tables.workspaces
    noun = Workspace
    title = "workspace"

    def get_or_none(self, id_: int, *, lock: bool = False) -> Workspace | None:
        """The workspace with this id; ``lock`` has no meaning for workspaces."""
        return next(iter(self._with_stores(_BY_ID, {"key": id_})), None)

    def by_name(self, name: str) -> Workspace | None:
        """The workspace with this name."""
        return next(iter(self._with_stores(_BY_NAME, {"name": name})), None)

    def default(self) -> Workspace | None:
        """The workspace of those who name none; None before the first start."""
        return self.by_name(DEFAULT_WORKSPACE)

    def all(self) -> Sequence[Workspace]:
        """Every workspace, by name."""
        return self._with_stores(_WITH_STORES)

    def save(self, new: Workspace, *, expecting: Workspace) -> None:
        """Write what differs, the other stores included."""
        super().save(evolve(new, other_file_stores=expecting.other_file_stores), expecting=expecting)
        gone = set(expecting.other_file_stores) - set(new.other_file_stores)
        self.connection.execute(sa.delete(_stores).where(_stores.c.workspace == new.id, _stores.c.store.in_(gone)))
        for store in sorted(set(new.other_file_stores) - set(expecting.other_file_stores)):
            self.connection.execute(sa.insert(_stores).values(workspace=new.id, store=store))

    def names(self, ids: Collection[int]) -> Mapping[int, str]:
        """The names of some workspaces, by id."""
        found = (self.connection.execute(_NAMES, {"ids": batch}) for batch in batches(ids))
        return {workspace: name for rows in found for workspace, name in rows}

    def is_file_in_workspace(self, workspace: Workspace, file: File) -> bool:
        """Whether one of the workspace's stores keeps the file."""
        copies = tables.files_in_stores
        found = sa.select(copies.c.id).where(copies.c.file == file.id, copies.c.store.in_(workspace.file_stores))
        return self.connection.execute(found.limit(1)).first() is not None

    def _with_stores(self, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Workspace]:
        rows = self.connection.execute(statement, values).mappings()
        return [_workspace(list(group)) for _, group in groupby(rows, key=lambda row: row["id"])]


def _workspace(rows: Sequence[sa.RowMapping]) -> Workspace:
    values = dict(rows[0])
    del values["store"]
    others = tuple(row["store"] for row in rows if row["store"] is not None)
    return Workspace(**values, other_file_stores=others)


# Made once: to make a statement costs more than to run it.
_WITH_STORES = (
    sa.select(*tables.workspaces.c, _stores.c.store.label("store"))
    .outerjoin(_stores, _stores.c.workspace == tables.workspaces.c.id)
    .order_by(tables.workspaces.c.name, _stores.c.store)
)
_BY_ID = _WITH_STORES.where(tables.workspaces.c.id == sa.bindparam("key"))
_BY_NAME = _WITH_STORES.where(tables.workspaces.c.name == sa.bindparam("name"))
_NAMES = sa.select(tables.workspaces.c.id, tables.workspaces.c.name).where(
    tables.workspaces.c.id.in_(sa.bindparam("ids", expanding=True))
)
