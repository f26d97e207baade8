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


def change(uow: UnitOfWork, name: str, *, public: bool | None = None, store: str | None = None) -> Workspace:
    """Change who may read a workspace, or where its new files go; the store of the old ones stays in reach."""
    workspace = _get(uow, name)
    changed = workspace if public is None else evolve(workspace, public=public)
    if store is not None:
        changed = changed.with_default_store(_store(uow, store).id)
    uow.workspaces.save(changed, expecting=workspace)
    return changed


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
