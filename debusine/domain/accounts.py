"""Accounts: users, and the tokens by which users and workers are known."""

from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, frozen

from debusine.domain.times import aware
from debusine.domain.workers import Worker


class TokenKind(StrEnum):
    """What a token opens."""

    USER = "user"
    WORKER = "worker"
    #: Good for one registration of a worker.
    ACTIVATION = "activation"


@frozen(kw_only=True)
class User:
    """A person, or a program that acts as one."""

    id: int
    username: str
    email: str = ""
    #: argon2id; None: no password was set, tokens only.
    password: str | None = field(default=None, repr=False)
    is_superuser: bool = False
    is_active: bool = True
    date_joined: datetime = field(validator=aware)
    last_login: datetime | None = field(default=None, validator=aware)


@frozen(kw_only=True)
class Token:
    """A credential; only the hash of its key is kept."""

    id: int
    kind: TokenKind
    #: SHA-256 of the key, in hexadecimal.
    hash: str = field(repr=False)
    comment: str = ""
    enabled: bool
    created_at: datetime = field(validator=aware)
    expire_at: datetime | None = field(default=None, validator=aware)
    last_seen_at: datetime | None = field(default=None, validator=aware)
    user: int | None = None

    def enable(self) -> "Token":
        """It opens doors from now on."""
        return evolve(self, enabled=True)

    def disable(self) -> "Token":
        """It opens nothing any more."""
        return evolve(self, enabled=False)

    def valid(self, at: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.enabled and (self.expire_at is None or at < self.expire_at)


@frozen(kw_only=True)
class Subject:
    """Who asks: a user, a worker, or nobody known."""

    user: User | None = None
    worker: Worker | None = None
    token: Token | None = None

    @property
    def anonymous(self) -> bool:
        """Whether nobody known asks."""
        return self.user is None and self.worker is None

    def __str__(self) -> str:
        if self.user is not None:
            return self.user.username
        return f"worker {self.worker.name}" if self.worker is not None else "anonymous"


ANONYMOUS = Subject()
