"""Registrations: how a worker becomes known, with its operator's word before or after it."""

import re

from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Token, TokenKind
from debusine.domain.errors import Invalid, NotAuthenticated
from debusine.domain.events import WorkerChanged
from debusine.domain.secrets import key_hash
from debusine.domain.workers import Worker, name_from_fqdn
from debusine.protocol.resources import DOMAIN_NAME, WorkerRegistration
from debusine.services import accounts


class InvalidDomainName(Invalid):
    """A domain name would not do on a terminal; no worker could register with it, either."""

    def __init__(self, fqdn: str) -> None:
        super().__init__(f"{fqdn!r} cannot be the domain name of a worker: use letters, digits and any of . _ : -")


class KeyInUse(Invalid):
    """A registration brings the key of a token that is something else already."""

    def __init__(self) -> None:
        message = "This key is in use; make a new one."
        super().__init__("Cannot deserialize worker", validation_errors={"token": [message]})


class ActivationRefused(NotAuthenticated):
    """A registration comes with a key that opens nothing: it was used, has expired, or never was."""

    def __init__(self) -> None:
        super().__init__(
            "The activation token is invalid",
            detail="It is good for one registration within 15 minutes; the operator makes a new one with: "
            "debusine-admin worker create FQDN --activation",
        )


def register(uow: UnitOfWork, registration: WorkerRegistration, key: str | None = None) -> Worker:
    """Add a worker with a disabled token; the same registration again is answered by the same worker.

    ``key``: what came with the request. That of an activation token makes the worker for which the operator made it,
    enabled at once, and is good for that once; one that opens nothing is refused.
    """
    given = None if key is None else _given(uow, key)
    known = _registered(uow, registration)  # after waiting for whoever uses the same activation token
    if known is not None:
        return known
    if key is not None and given is None:
        raise ActivationRefused
    if given is not None and given.kind is TokenKind.ACTIVATION:
        return _activate(uow, given, registration)
    token = _insert_token(uow, registration, enabled=False)
    return uow.workers.create_with_fqdn(registration.fqdn, token.id, at=uow.now, metadata=_metadata(registration))


def create_enabled(uow: UnitOfWork, fqdn: str) -> str:
    """Add a worker that may take work as soon as it comes; returns the key for it."""
    _check_domain_name(fqdn)
    token, key = accounts.create_worker_token(uow, comment=f"made for {fqdn}")
    uow.workers.create_with_fqdn(fqdn, token.id, at=uow.now)
    return key


def create_activated(uow: UnitOfWork, fqdn: str) -> str:
    """Add a worker that is yet to register; returns the key that lets it, once and soon.

    One of the same name that never came gets a new key: the earlier one opens nothing any more.
    """
    _check_domain_name(fqdn)
    token, key = accounts.create_activation_token(uow, comment=f"made for {fqdn}")
    waiting = uow.workers.get_worker_or_none(name_from_fqdn(fqdn))
    earlier = None if waiting is None or waiting.token is None else uow.tokens.get(waiting.token, lock=True)
    if waiting is None or earlier is None or earlier.kind is not TokenKind.ACTIVATION:
        uow.workers.create_with_fqdn(fqdn, token.id, at=uow.now)
    else:
        uow.workers.save(evolve(waiting, token=token.id), expecting=waiting)
        uow.tokens.delete(earlier.id)
    return key


def _check_domain_name(fqdn: str) -> None:
    if not re.fullmatch(DOMAIN_NAME, fqdn):
        raise InvalidDomainName(fqdn)


def _registered(uow: UnitOfWork, registration: WorkerRegistration) -> Worker | None:
    """The worker that has registered with this key already."""
    known = uow.tokens.get_token_or_none(registration.token)
    if known is None:
        return None
    worker = uow.workers.by_token(known.id) if known.kind is TokenKind.WORKER else None
    if worker is None:
        raise KeyInUse
    return worker


def _given(uow: UnitOfWork, key: str) -> Token | None:
    """The token that came with a registration, locked, so that nobody else uses it at the same time; if it is good."""
    found = uow.tokens.get_token_or_none(key)
    locked = uow.tokens.get_or_none(found.id, lock=True) if found is not None else None
    return locked if locked is not None and locked.valid(uow.now) else None


def _activate(uow: UnitOfWork, activation: Token, registration: WorkerRegistration) -> Worker:
    before = uow.workers.by_token(activation.id)
    if before is None:
        raise ActivationRefused
    token = _insert_token(uow, registration, enabled=True)
    after = evolve(before, token=token.id, dynamic_metadata=_metadata(registration))
    uow.workers.save(after, expecting=before)
    uow.tokens.delete(activation.id)
    uow.publish(WorkerChanged(after.id))
    return after


def _insert_token(uow: UnitOfWork, registration: WorkerRegistration, *, enabled: bool) -> Token:
    return uow.tokens.insert(
        kind=TokenKind.WORKER,
        hash=key_hash(registration.token),
        comment=f"registered by {registration.fqdn}",
        enabled=enabled,
        created_at=uow.now,
    )


def _metadata(registration: WorkerRegistration) -> dict[str, str]:
    return {"system:worker_type": registration.worker_type}
