"""Administration: what the operator can do, as one table of commands; and the one way to carry a command out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import Factory, frozen

from debusine.converter.structure import structure, unstructure
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject, Token, TokenKind, User
from debusine.domain.errors import NotFound
from debusine.domain.rights import Action
from debusine.domain.times import EPOCH
from debusine.domain.workers import Worker
from debusine.domain.workspaces import Workspace
from debusine.services import accounts, administered_channels, administered_tokens, registrations, workspaces
from debusine.services.administered_tokens import NewKey
from debusine.services.notification_methods import NO_METHODS, Methods
from debusine.services.rights import authorize

#: Whoever may open the server's own socket or its database.
OPERATOR = Subject(user=User(id=0, username="operator", is_superuser=True, date_joined=EPOCH))


class UnknownCommand(NotFound):
    """The server does not know the command: it is of another version."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The server knows no command {name!r}; use the debusine-admin of its version")


@frozen(kw_only=True)
class Nothing:
    """No arguments."""


@frozen(kw_only=True)
class UserCreate:
    """``user create``."""

    name: str
    superuser: bool = False


@frozen(kw_only=True)
class UserSet:
    """``user set``."""

    name: str
    superuser: bool


@frozen(kw_only=True)
class WorkerName:
    """``worker enable`` and ``worker disable``."""

    name: str


@frozen(kw_only=True)
class WorkerCreate:
    """``worker create``."""

    fqdn: str
    #: Make an activation token, which is good for one registration, instead of the worker's own token.
    activation: bool = False


@frozen(kw_only=True)
class WorkspaceCreate:
    """``workspace create``."""

    name: str
    public: bool = False
    #: None: the store ``Default``.
    store: str | None = None


@frozen(kw_only=True)
class WorkspaceSet:
    """``workspace set``; None: as it is."""

    name: str
    public: bool | None = None
    store: str | None = None
    #: Other stores that its files may be in, and that they may not be in any more.
    add_stores: list[str] = Factory(list)
    drop_stores: list[str] = Factory(list)


@frozen(kw_only=True)
class UserRow:
    """A user, for the operator."""

    name: str
    superuser: bool
    active: bool
    joined_at: datetime


class Activation(StrEnum):
    """What is known of a token with which a worker can register."""

    GOOD = "good"
    DISABLED = "disabled"
    EXPIRED = "expired"


@frozen(kw_only=True)
class WorkerRow:
    """A worker, for the operator."""

    name: str
    enabled: bool
    #: None: it is not connected.
    connected_at: datetime | None
    #: None: it has not come yet.
    registered_at: datetime | None
    #: What is known of the activation token with which it is yet to register; None: it has registered.
    activation: Activation | None
    last_seen_at: datetime | None


@frozen(kw_only=True)
class WorkspaceRow:
    """A workspace, for the operator."""

    name: str
    public: bool
    #: Where new files go.
    store: str
    other_stores: list[str]


def create_user(uow: UnitOfWork, arguments: UserCreate) -> UserRow:
    """Add a user, who has no token yet."""
    return _user_row(accounts.create_user(uow, arguments.name, superuser=arguments.superuser))


def set_user(uow: UnitOfWork, arguments: UserSet) -> UserRow:
    """Change a user."""
    return _user_row(accounts.set_superuser(uow, arguments.name, superuser=arguments.superuser))


def list_users(uow: UnitOfWork, _: Nothing) -> list[UserRow]:
    """Show every user, by name."""
    return [_user_row(user) for user in uow.users.all()]


def list_workers(uow: UnitOfWork, _: Nothing) -> list[WorkerRow]:
    """Show every worker, by name."""
    tokens = {token.id: token for token in uow.tokens.of_workers()}
    return [_worker_row(uow, worker, tokens.get(worker.token or 0)) for worker in uow.workers.all()]


def enable_worker(uow: UnitOfWork, arguments: WorkerName) -> WorkerRow:
    """Let a worker take work."""
    return _worker_row(uow, *accounts.set_worker_enabled(uow, arguments.name, enabled=True))


def disable_worker(uow: UnitOfWork, arguments: WorkerName) -> WorkerRow:
    """Let a worker take no more work; its socket is closed, and what it runs goes to another."""
    return _worker_row(uow, *accounts.set_worker_enabled(uow, arguments.name, enabled=False))


def create_worker(uow: UnitOfWork, arguments: WorkerCreate) -> NewKey:
    """Add a worker before it has ever connected: enabled, or to be enabled by its registration."""
    create = registrations.create_activated if arguments.activation else registrations.create_enabled
    return NewKey(key=create(uow, arguments.fqdn))


def create_workspace(uow: UnitOfWork, arguments: WorkspaceCreate) -> WorkspaceRow:
    """Add a workspace."""
    made = workspaces.create_with_name(uow, arguments.name, public=arguments.public, store=arguments.store)
    return _workspace_row(made, _store_names(uow))


def set_workspace(uow: UnitOfWork, arguments: WorkspaceSet) -> WorkspaceRow:
    """Change a workspace."""
    changed = workspaces.change(
        uow,
        arguments.name,
        public=arguments.public,
        store=arguments.store,
        add=arguments.add_stores,
        drop=arguments.drop_stores,
    )
    return _workspace_row(changed, _store_names(uow))


def list_workspaces(uow: UnitOfWork, _: Nothing) -> list[WorkspaceRow]:
    """Show every workspace, by name."""
    names = _store_names(uow)
    return [_workspace_row(workspace, names) for workspace in uow.workspaces.all()]


@frozen
class Command:
    """One line of the table."""

    arguments: type[Any]
    action: Action
    service: Callable[..., Any]
    #: Whether the service wants to know the notification methods, as a third argument.
    with_methods: bool = False


COMMANDS: Mapping[str, Command] = {
    "user create": Command(UserCreate, Action.ADMINISTER, create_user),
    "user set": Command(UserSet, Action.ADMINISTER, set_user),
    "user list": Command(Nothing, Action.ADMINISTER, list_users),
    "token create": Command(administered_tokens.TokenCreate, Action.ADMINISTER, administered_tokens.create),
    "token list": Command(Nothing, Action.ADMINISTER, lambda uow, _: administered_tokens.listed(uow)),
    "token enable": Command(administered_tokens.TokenName, Action.ADMINISTER, administered_tokens.enable),
    "token disable": Command(administered_tokens.TokenName, Action.ADMINISTER, administered_tokens.disable),
    "worker list": Command(Nothing, Action.ADMINISTER, list_workers),
    "worker enable": Command(WorkerName, Action.ADMINISTER, enable_worker),
    "worker disable": Command(WorkerName, Action.ADMINISTER, disable_worker),
    "worker create": Command(WorkerCreate, Action.ADMINISTER, create_worker),
    "channel create": Command(
        administered_channels.ChannelCreate, Action.ADMINISTER, administered_channels.create, with_methods=True
    ),
    "channel list": Command(Nothing, Action.ADMINISTER, lambda uow, _: administered_channels.listed(uow)),
    "channel delete": Command(administered_channels.ChannelName, Action.ADMINISTER, administered_channels.delete),
    "notification list": Command(
        administered_channels.NotificationList, Action.ADMINISTER, administered_channels.notifications
    ),
    "workspace create": Command(WorkspaceCreate, Action.ADMINISTER, create_workspace),
    "workspace set": Command(WorkspaceSet, Action.ADMINISTER, set_workspace),
    "workspace list": Command(Nothing, Action.ADMINISTER, list_workspaces),
}


def wants_methods(name: str) -> bool:
    """Whether a command can be carried out only by a program that knows the notification methods."""
    return name in COMMANDS and COMMANDS[name].with_methods


def perform(
    uow: UnitOfWork, subject: Subject, name: str, arguments: Mapping[str, Any], methods: Methods = NO_METHODS
) -> Any:
    """Carry out a command of the table with plain values, and return plain values."""
    if name not in COMMANDS:
        raise UnknownCommand(name)
    command = COMMANDS[name]
    authorize(uow, subject, command.action)
    structured = structure(dict(arguments), command.arguments, title=f"Cannot {name}")
    known = (methods,) if command.with_methods else ()
    return unstructure(command.service(uow, structured, *known))


def _user_row(user: User) -> UserRow:
    return UserRow(name=user.username, superuser=user.is_superuser, active=user.is_active, joined_at=user.date_joined)


def _worker_row(uow: UnitOfWork, worker: Worker, token: Token | None) -> WorkerRow:
    activation = _activation(token, uow.now) if token and token.kind is TokenKind.ACTIVATION else None
    return WorkerRow(
        name=worker.name,
        enabled=token is not None and token.kind is TokenKind.WORKER and token.enabled,
        connected_at=worker.connected_at,
        registered_at=worker.registered_at if activation is None else None,
        activation=activation,
        last_seen_at=token.last_seen_at if token else None,
    )


def _activation(token: Token, at: datetime) -> Activation:
    if token.valid(at):
        return Activation.GOOD
    return Activation.EXPIRED if token.enabled else Activation.DISABLED


def _workspace_row(workspace: Workspace, stores: Mapping[int, str]) -> WorkspaceRow:
    return WorkspaceRow(
        name=workspace.name,
        public=workspace.public,
        store=stores[workspace.default_file_store],
        other_stores=[stores[store] for store in workspace.other_file_stores],
    )


def _store_names(uow: UnitOfWork) -> dict[int, str]:
    return {store.id: store.name for store in uow.file_stores.all()}
