"""Workspaces in the database."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.workspaces import Workspace


class WorkspaceRepository(Repository[Workspace]):
    """Finds and keeps workspaces."""

    table = tables.workspaces
    noun = Workspace
    title = "workspace"
