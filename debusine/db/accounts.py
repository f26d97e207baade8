"""Users and tokens in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.repository import Repository
from debusine.domain.accounts import Subject, Token, User
from debusine.domain.secrets import key_hash
from debusine.domain.workers import Worker


class UserRepository(Repository[User]):
    """Finds and keeps users."""

    table = tables.users
    noun = User
    title = "user"

    def all(self) -> Sequence[User]:
        """Every user, by name."""
        return self._all(sa.select(self.table).order_by(self.table.c.username))

    def by_username(self, username: str) -> User | None:
        """The user with this name."""
        return self._one_or_none(sa.select(self.table).where(self.table.c.username == username))


class TokenRepository(Repository[Token]):
    """Finds and keeps tokens, by the hash of their key."""

    table = tables.tokens
    noun = Token
    title = "token"

    def get_token_or_none(self, key: str) -> Token | None:
        """The token with this key, whether it opens anything or not."""
        return self._one_or_none(sa.select(self.table).where(self.table.c.hash == key_hash(key)))

    def get_tokens(self, username: str | None = None, key: str | None = None) -> Sequence[Token]:
        """The tokens of a user, or with a key, or all of them, oldest first."""
        statement = sa.select(self.table).order_by(self.table.c.id)
        if username is not None:
            owner = tables.users.c.username == username
            statement = statement.join(tables.users, tables.users.c.id == self.table.c.user).where(owner)
        if key is not None:
            statement = statement.where(self.table.c.hash == key_hash(key))
        return self._all(statement)

    def with_hash_prefix(self, prefix: str) -> Sequence[Token]:
        """The first two of those whose hash begins so."""
        matching = self.table.c.hash.startswith(prefix, autoescape=True)
        return self._all(sa.select(self.table).where(matching).order_by(self.table.c.id).limit(2))

    def of_workers(self) -> Sequence[Token]:
        """The tokens of all workers."""
        workers = tables.workers
        return self._all(sa.select(self.table).join(workers, workers.c.token == self.table.c.id))

    def subjects(self, keys: Collection[str]) -> Mapping[str, Subject]:
        """Of some keys those that a token has → the token and whose it is; in one statement for those of a moment."""
        wanted = {key_hash(key): key for key in keys}
        return {
            wanted[row.token_hash]: _subject(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to the names
            for batch in batches(wanted)
            for row in self.connection.execute(_SUBJECTS, {"wanted": batch})
        }

    def valid_among(self, tokens: Collection[int], *, at: datetime) -> frozenset[int]:
        """Those of some tokens that open something at a moment."""
        found = (self.connection.execute(_VALID_AMONG, {"tokens": batch, "at": at}) for batch in batches(tokens))
        return frozenset(token for rows in found for token in rows.scalars())

    def note_seen(self, tokens: Collection[int], at: datetime, unless_since: datetime) -> None:
        """Record that tokens were used, unless that is known well enough already."""
        seen = self.table.c.last_seen_at
        due = sa.or_(seen.is_(None), seen < unless_since)
        for token in sorted(tokens):  # one after the other, in one order: two servers never wait for each other
            statement = sa.update(self.table).where(self.table.c.id == token, due).values(last_seen_at=at)
            self.connection.execute(statement)


def _columns(prefix: str, table: sa.Table, noun: type[Any]) -> list[sa.Label[Any]]:
    return [table.c[name.name].label(f"{prefix}_{name.name}") for name in attrs.fields(noun)]


def _subject(values: sa.RowMapping) -> Subject:
    return Subject(
        token=_part(Token, "token", values),
        user=_part(User, "user", values) if values["user_id"] is not None else None,
        worker=_part(Worker, "worker", values) if values["worker_id"] is not None else None,
    )


def _part(noun: type[Any], prefix: str, values: sa.RowMapping) -> Any:
    return noun(**{name.name: values[f"{prefix}_{name.name}"] for name in attrs.fields(noun)})


_VALID_AMONG = (
    sa.select(tables.tokens.c.id)
    .select_from(tables.tokens.outerjoin(tables.users, tables.users.c.id == tables.tokens.c.user))
    .where(
        tables.tokens.c.id.in_(sa.bindparam("tokens", expanding=True)),
        tables.tokens.c.enabled,
        tables.tokens.c.expire_at.is_(None) | (tables.tokens.c.expire_at > sa.bindparam("at")),
        tables.users.c.id.is_(None) | tables.users.c.is_active,
    )
)
_SUBJECTS = (
    sa.select(
        *_columns("token", tables.tokens, Token),
        *_columns("user", tables.users, User),
        *_columns("worker", tables.workers, Worker),
    )
    .select_from(
        tables.tokens.outerjoin(tables.users, tables.users.c.id == tables.tokens.c.user).outerjoin(
            tables.workers, tables.workers.c.token == tables.tokens.c.id
        )
    )
    .where(tables.tokens.c.hash.in_(sa.bindparam("wanted", expanding=True)))
)
