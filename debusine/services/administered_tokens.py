"""The operator's commands about tokens; of a key, only what its hash begins with is ever shown."""

import re
from collections.abc import Sequence
from datetime import datetime

from attrs import field, frozen, validators

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Token
from debusine.domain.durations import InvalidDuration, parse_duration
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.events import TokenDisabled, WorkerChanged
from debusine.services import accounts

#: Digits of a hash that are shown, and by which a token may be named.
SHOWN = 8

_HASH_PREFIX = re.compile(rf"[0-9a-f]{{{SHOWN},64}}")
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class UnknownToken(NotFound):
    """No token has this number or hash."""

    def __init__(self, named: str) -> None:
        # A key that was given by mistake stays out of the message.
        shown = named if len(named) <= SHOWN else f"{named[:3]}…"
        super().__init__(f"There is no token {shown}; see: debusine-admin token list")


class AmbiguousToken(Conflict):
    """Several tokens have a hash that begins like this."""

    def __init__(self, prefix: str) -> None:
        super().__init__(f"The hashes of several tokens begin with {prefix}; give the number of the one you mean")


class InvalidLife(Invalid):
    """A token would be over before it is made, or never."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:100]!r} is no time that a token may live: give seconds, or a duration such as P30D or PT12H"
        )


@frozen(kw_only=True)
class TokenCreate:
    """``token create``."""

    user: str
    comment: str = field(default="", validator=validators.max_len(255))
    #: An ISO 8601 duration or seconds; None: for ever.
    expires_in: str | None = None


@frozen(kw_only=True)
class TokenName:
    """``token enable`` and ``token disable``."""

    #: The token's number, or what its hash begins with.
    token: str


@frozen(kw_only=True)
class NewKey:
    """A key that is shown this once."""

    key: str


@frozen(kw_only=True)
class TokenRow:
    """A token, for the operator."""

    id: int
    kind: str
    #: The user or the worker that is known by it; None: nobody yet.
    owner: str | None
    enabled: bool
    #: Whether its time is over.
    expired: bool
    #: What its hash begins with.
    hash: str
    comment: str
    created_at: datetime
    #: None: never.
    expire_at: datetime | None
    last_seen_at: datetime | None


def create(uow: UnitOfWork, arguments: TokenCreate) -> NewKey:
    """Give a user a token."""
    expire_at = None if arguments.expires_in is None else _end(arguments.expires_in, uow.now)
    return NewKey(key=accounts.create_user_token(uow, arguments.user, comment=arguments.comment, expire_at=expire_at))


def listed(uow: UnitOfWork) -> Sequence[TokenRow]:
    """Show every token, oldest first."""
    users = {user.id: user.username for user in uow.users.all()}
    workers = {worker.token: worker.name for worker in uow.workers.all()}
    return [
        _row(token, users.get(token.user or 0) or workers.get(token.id), uow.now) for token in uow.tokens.get_tokens()
    ]


def enable(uow: UnitOfWork, arguments: TokenName) -> TokenRow:
    """Let a token open doors again."""
    before = _named(uow, arguments.token)
    after = before.enable()
    uow.tokens.save(after, expecting=before)
    worker = uow.workers.by_token(after.id)
    if worker is not None:
        uow.publish(WorkerChanged(worker.id))
    return _described(uow, after)


def disable(uow: UnitOfWork, arguments: TokenName) -> TokenRow:
    """Refuse a token from its next request on, and end what it has open."""
    before = _named(uow, arguments.token)
    after = before.disable()
    uow.tokens.save(after, expecting=before)
    uow.publish(TokenDisabled(after.id, after.hash))
    return _described(uow, after)


def _named(uow: UnitOfWork, named: str) -> Token:
    """The token with this number or, when there is none, the one whose hash begins so."""
    found = uow.tokens.get_or_none(int(named), lock=True) if _NUMBER.fullmatch(named) else None
    if found is not None:
        return found
    matching = uow.tokens.with_hash_prefix(named) if _HASH_PREFIX.fullmatch(named) else ()
    if not matching:
        raise UnknownToken(named)
    if len(matching) > 1:
        raise AmbiguousToken(named[:SHOWN])
    return uow.tokens.get(matching[0].id, lock=True)


def _end(text: str, now: datetime) -> datetime:
    try:
        life = parse_duration(text)
        if not life:
            raise InvalidLife(text)
        return now + life
    except (InvalidDuration, OverflowError) as error:
        raise InvalidLife(text) from error


def _described(uow: UnitOfWork, token: Token) -> TokenRow:
    user = uow.users.get_or_none(token.user) if token.user is not None else None
    worker = uow.workers.by_token(token.id)
    return _row(token, user.username if user else worker.name if worker else None, uow.now)


def _row(token: Token, owner: str | None, now: datetime) -> TokenRow:
    return TokenRow(
        id=token.id,
        kind=token.kind,
        owner=owner,
        enabled=token.enabled,
        expired=token.expire_at is not None and token.expire_at <= now,
        hash=token.hash[:SHOWN],
        comment=token.comment,
        created_at=token.created_at,
        expire_at=token.expire_at,
        last_seen_at=token.last_seen_at,
    )
