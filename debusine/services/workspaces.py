"""Workspaces: which one is meant, and how the operator makes and changes them."""

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.rights import Action
from debusine.domain.workspaces import DEFAULT_WORKSPACE, Workspace, WorkspaceNotFound
from debusine.services.rights import authorize


def named(uow: UnitOfWork, subject: Subject, name: str | None = None) -> Workspace:
    """The workspace of this name, by default ``System``; ``WorkspaceNotFound`` also when the subject may not see it."""
    workspace = uow.workspaces.by_name(name or DEFAULT_WORKSPACE)
    if workspace is None:
        raise WorkspaceNotFound(name or DEFAULT_WORKSPACE)
    authorize(uow, subject, Action.READ_WORKSPACE, workspace)
    return workspace
