"""Accounts: who somebody is by the key that came with a request, and how accounts are made and closed."""

import re
from collections.abc import Collection, Mapping, Set
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject, Token, TokenKind, User
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.events import TokenDisabled, WorkerChanged
from debusine.domain.secrets import key_hash, new_key
from debusine.domain.workers import Worker

#: ``last_seen_at`` is written at most this often for a token.
SEEN_INTERVAL = timedelta(minutes=1)

#: That a worker may take to register after the operator has made its activation token.
ACTIVATION_LIFE = timedelta(minutes=15)

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@+._-]{0,149}")


class InvalidUsername(Invalid):
    """A name would not do on a terminal or in a URL."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a user: use letters, digits and any of @ + . _ -")


class UserExists(Conflict):
    """A user has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a user {name!r} already; give them a token with: debusine-admin token create {name}"
        )


class UnknownUser(NotFound):
    """Nobody has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no user {name!r}; make one with: debusine-admin user create {name}")


class UnknownWorker(NotFound):
    """No worker has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no worker {name!r}; see: debusine-admin worker list")


def authenticate(uow: UnitOfWork, key: str) -> Subject:
    """Who has this key: a user, a worker, or nobody.

    A known token that opens nothing (disabled, expired, its user inactive) makes an anonymous subject that carries
    the token all the same, and so does an activation token; an unknown key makes one without.
    """
    return _as_of(uow.now, uow.tokens.subjects([key]).get(key, ANONYMOUS))


def recognise(uow: UnitOfWork, keys: Collection[str]) -> Mapping[str, tuple[Subject, bool]]:
    """Who has each of these keys, as by ``authenticate``, and whether its last use is written down well enough."""
    found = uow.tokens.subjects(keys)
    subjects = {key: _as_of(uow.now, found.get(key, ANONYMOUS)) for key in keys}
    return {key: (subject, _seen_lately(subject.token, uow.now)) for key, subject in subjects.items()}


def still_valid_among(uow: UnitOfWork, tokens: Collection[int]) -> Set[int]:
    """Those of some tokens that open something now, their users being active."""
    return uow.tokens.valid_among(tokens, at=uow.now)


def note_seen(uow: UnitOfWork, tokens: Collection[int]) -> None:
    """Write down that tokens were used, unless that is known well enough."""
    uow.tokens.note_seen(tokens, at=uow.now, unless_since=uow.now - SEEN_INTERVAL)


def create_user(uow: UnitOfWork, name: str, *, superuser: bool = False) -> User:
    """Add a user, who has neither password nor token yet."""
    if not USERNAME.fullmatch(name):
        raise InvalidUsername(name)
    if uow.users.by_username(name) is not None:
        raise UserExists(name)
    return uow.users.insert(username=name, is_superuser=superuser, date_joined=uow.now)


def set_superuser(uow: UnitOfWork, name: str, *, superuser: bool) -> User:
    """Let a user administer the farm, or not any more; it holds from the next request on."""
    before = uow.users.by_username(name)
    if before is None:
        raise UnknownUser(name)
    after = evolve(before, is_superuser=superuser)
    uow.users.save(after, expecting=before)
    return after


def create_user_token(uow: UnitOfWork, username: str, *, comment: str = "", expire_at: datetime | None = None) -> str:
    """Give a user an enabled token; returns its key, which nobody can read again."""
    user = uow.users.by_username(username)
    if user is None:
        raise UnknownUser(username)
    return _create_token(uow, TokenKind.USER, user=user.id, comment=comment, expire_at=expire_at)[1]


def create_worker_token(uow: UnitOfWork, *, comment: str) -> tuple[Token, str]:
    """Make an enabled token for a worker; returns it with its key."""
    return _create_token(uow, TokenKind.WORKER, comment=comment)


def create_activation_token(uow: UnitOfWork, *, comment: str) -> tuple[Token, str]:
    """Make a token that is good for one registration, soon; returns it with its key."""
    return _create_token(uow, TokenKind.ACTIVATION, comment=comment, expire_at=uow.now + ACTIVATION_LIFE)


def set_worker_enabled(uow: UnitOfWork, name: str, *, enabled: bool) -> tuple[Worker, Token]:
    """Open or close the farm for a worker; whoever holds its socket hears of it."""
    worker = uow.workers.get_worker_or_none(name)
    if worker is None or worker.token is None:
        raise UnknownWorker(name)
    before = uow.tokens.get(worker.token, lock=True)
    after = before.enable() if enabled else before.disable()
    uow.tokens.save(after, expecting=before)
    uow.publish(WorkerChanged(worker.id) if enabled else TokenDisabled(after.id, after.hash))
    return worker, after


def _create_token(uow: UnitOfWork, kind: TokenKind, **values: Any) -> tuple[Token, str]:
    key = new_key()
    return uow.tokens.insert(kind=kind, hash=key_hash(key), enabled=True, created_at=uow.now, **values), key


def _as_of(at: datetime, found: Subject) -> Subject:
    """What is left of a token's owner when one looks whether the token opens anything at a moment."""
    if found.token is None:
        return found
    valid, kind = found.token.valid(at), found.token.kind
    user = found.user if valid and kind is TokenKind.USER and found.user is not None and found.user.is_active else None
    # A worker that is yet to register has an activation token, which is not the worker itself.
    return evolve(found, user=user, worker=found.worker if valid and kind is TokenKind.WORKER else None)


def _seen_lately(token: Token | None, at: datetime) -> bool:
    return token is None or (token.last_seen_at is not None and token.last_seen_at > at - SEEN_INTERVAL)
