"""Workspaces: which one is meant, and how the operator makes and changes them."""

from collections.abc import Sequence

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.files import FileStore
from debusine.domain.rights import Action
from debusine.domain.workspaces import DEFAULT_WORKSPACE, Workspace, WorkspaceNotFound
from debusine.services.file_stores import default_file_store
from debusine.services.rights import authorize


class WorkspaceExists(Conflict):
    """A workspace has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a workspace {name!r} already; change it with: debusine-admin workspace set {name}")


class InvalidName(Invalid):
    """A name would not do in a URL or on a terminal."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a {what}: use letters, digits and any of + . _ -")


class StillDefault(Conflict):
    """The store to which a workspace's new files go cannot be taken from it."""

    def __init__(self, workspace: str, store: str) -> None:
        super().__init__(
            f"New files of the workspace {workspace!r} go to the store {store!r}; name another one for them first"
        )


class UnknownStore(NotFound):
    """No file store has this name."""

    def __init__(self, name: str, known: Sequence[FileStore]) -> None:
        names = ", ".join(store.name for store in known) or "none yet: start the server once"
        super().__init__(f"There is no file store {name!r}; there are: {names}")


def named(uow: UnitOfWork, subject: Subject, name: str | None = None) -> Workspace:
    """The workspace of this name, by default ``System``; ``WorkspaceNotFound`` also when the subject may not see it."""
    workspace = _get(uow, name or DEFAULT_WORKSPACE)
    authorize(uow, subject, Action.READ_WORKSPACE, workspace)
    return workspace


def default_workspace(uow: UnitOfWork) -> Workspace:
    """The workspace of those who name none; made at the first start."""
    return uow.workspaces.default() or create_with_name(uow, DEFAULT_WORKSPACE)


def furnished(uow: UnitOfWork) -> bool:
    """Whether the farm has its default workspace already."""
    return uow.workspaces.default() is not None


def create_with_name(uow: UnitOfWork, name: str, *, public: bool = False, store: str | None = None) -> Workspace:
    """Make a workspace, by default with the store ``Default``."""
    check_name("workspace", name)
    if uow.workspaces.by_name(name) is not None:
        raise WorkspaceExists(name)
    chosen = default_file_store(uow) if store is None else _store(uow, store)
    return uow.workspaces.insert(name=name, public=public, default_expiration_delay=None, default_file_store=chosen.id)


def change(
    uow: UnitOfWork,
    name: str,
    *,
    public: bool | None = None,
    store: str | None = None,
    add: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Workspace:
    """Change who may read a workspace, where its new files go, or which other stores its files may be in.

    The store of the old files stays in reach until it is dropped.
    """
    workspace = _get(uow, name)
    changed = workspace if public is None else evolve(workspace, public=public)
    if store is not None:
        changed = changed.with_default_store(_store(uow, store).id)
    for other in add:
        changed = changed.with_other_store(_store(uow, other).id)
    for other in drop:
        changed = _without(changed, _store(uow, other))
    uow.workspaces.save(changed, expecting=workspace)
    return changed


def _without(workspace: Workspace, store: FileStore) -> Workspace:
    if store.id == workspace.default_file_store:
        raise StillDefault(workspace.name, store.name)
    return workspace.without_other_store(store.id)


def reach(uow: UnitOfWork, *, having: int, also: int) -> None:
    """Let every workspace that has a store use another one, too."""
    for workspace in uow.workspaces.all():
        if having in workspace.file_stores and also not in workspace.file_stores:
            uow.workspaces.save(workspace.with_other_store(also), expecting=workspace)


def leave(uow: UnitOfWork, *, store: int, for_: int) -> None:
    """Let every workspace that has its new files in a store have them in another; the old one stays in reach."""
    for workspace in uow.workspaces.all():
        if workspace.default_file_store == store:
            uow.workspaces.save(workspace.with_default_store(for_), expecting=workspace)
        elif store in workspace.file_stores:
            uow.workspaces.save(workspace.with_other_store(for_), expecting=workspace)


def forget_store(uow: UnitOfWork, store: int) -> None:
    """Take a store out of the reach of all workspaces of which it is not the default one."""
    for workspace in uow.workspaces.all():
        uow.workspaces.save(workspace.without_other_store(store), expecting=workspace)


def check_name(what: str, name: str) -> None:
    """Refuse names that would have to be escaped somewhere."""
    allowed = all(character.isascii() and (character.isalnum() or character in "+._-") for character in name)
    if not allowed or not 0 < len(name) <= 100 or not name[0].isalnum():
        raise InvalidName(what, name)


def _get(uow: UnitOfWork, name: str) -> Workspace:
    workspace = uow.workspaces.by_name(name)
    if workspace is None:
        raise WorkspaceNotFound(name)
    return workspace


def _store(uow: UnitOfWork, name: str) -> FileStore:
    store = uow.file_stores.by_name(name)
    if store is None:
        raise UnknownStore(name, uow.file_stores.all())
    return store
