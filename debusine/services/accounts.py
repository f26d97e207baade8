"""Accounts: who somebody is by the key that came with a request."""

from datetime import datetime, timedelta

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject, Token

#: ``last_seen_at`` is written at most this often for a token.
SEEN_INTERVAL = timedelta(minutes=1)


def authenticate(uow: UnitOfWork, key: str) -> Subject:
    """Who has this key: a user, a worker, or nobody.

    A known token that opens nothing (disabled, expired, its user inactive) makes an anonymous subject that carries
    the token all the same, and so does an activation token; an unknown key makes one without.
    """
    found = uow.tokens.subject(key)
    if found is None or found.token is None:
        return ANONYMOUS
    inactive = found.user is not None and not found.user.is_active
    if inactive or not found.token.valid(uow.now):
        return evolve(found, user=None, worker=None)
    return found


def recognise(uow: UnitOfWork, key: str) -> tuple[Subject, bool]:
    """Who has this key, and whether its last use is written down well enough."""
    subject = authenticate(uow, key)
    return subject, subject.token is None or _seen_lately(subject.token, uow.now)


def note_seen(uow: UnitOfWork, token: int) -> None:
    """Write down that a token was used."""
    uow.tokens.note_seen(token, at=uow.now, unless_since=uow.now - SEEN_INTERVAL)


def _seen_lately(token: Token, at: datetime) -> bool:
    return token.last_seen_at is not None and token.last_seen_at > at - SEEN_INTERVAL
