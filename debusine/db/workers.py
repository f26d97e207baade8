"""Workers in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.attempts import UNRELEASED
from debusine.db.batches import batches
from debusine.db.engine import insert_or_ignore, writers_meet
from debusine.db.repository import Overtaken, Repository
from debusine.db.work_requests import IN_HAND
from debusine.domain.secrets import key_hash
from debusine.domain.workers import Worker, name_from_fqdn

#: How often a name is sought for a new worker.
TRIES = 10

_workers = tables.workers
_tokens = tables.tokens


class WorkerRepository(Repository[Worker]):
    """Finds and keeps workers."""

    table = tables.workers
    noun = Worker
    title = "worker"

    def create_with_fqdn(
        self, fqdn: str, token: int, *, at: datetime, metadata: Mapping[str, Any] | None = None
    ) -> Worker:
        """Add a worker that is named after its domain name; on a clash with ``-2``, ``-3`` … behind it."""
        values = {"registered_at": at, "token": token, "dynamic_metadata": metadata or {}}
        for _ in range(TRIES):  # somebody may take the name at the same time
            if (created := self._insert_if_free(self._free_name(name_from_fqdn(fqdn)), values)) is not None:
                return created
        raise Overtaken(self.title, fqdn)

    def get_worker_or_none(self, name: str) -> Worker | None:
        """The worker with this name."""
        return self._one_or_none(self._select().where(_workers.c.name == name))

    def get_worker_by_token_key_or_none(self, key: str) -> Worker | None:
        """The worker whose token has this key, enabled or not."""
        statement = self._select().join(_tokens, _tokens.c.id == _workers.c.token)
        return self._one_or_none(statement.where(_tokens.c.hash == key_hash(key)))

    def by_token(self, token: int) -> Worker | None:
        """The worker with this token."""
        return self._one_or_none(self._select().where(_workers.c.token == token))

    def names(self, ids: Collection[int]) -> Mapping[int, str]:
        """The names of some workers, by id."""
        found = (self.connection.execute(_NAMES, {"ids": batch}) for batch in batches(ids))
        return {worker: name for rows in found for worker, name in rows}

    def all(self) -> Sequence[Worker]:
        """Every worker, by name."""
        return self._all(self._select().order_by(_workers.c.name))

    def connected(self) -> Sequence[Worker]:
        """Those whose socket some server holds."""
        return self._all(self._select().where(_workers.c.connected_at.is_not(None)).order_by(_workers.c.id))

    def admitted(self, workers: Collection[int], *, at: datetime) -> Mapping[int, int]:
        """Those of some workers whose tokens are good: worker → number of its newest connection."""
        found = (self.connection.execute(_ADMITTED, {"workers": batch, "at": at}) for batch in batches(workers))
        return {worker: connection for rows in found for worker, connection in rows}

    def connections_of(self, server: int) -> Mapping[int, int]:
        """Worker → number of its connection, of those whose socket a server holds."""
        return dict(self.connection.execute(_CONNECTIONS_OF, {"holder": server}).all())

    def waiting_for_work_request(self, *, at: datetime) -> Sequence[Worker]:
        """Those that can take something now: connected, with a good token, nothing in hand, busy with nothing."""
        return self._all(_WAITING_FOR_WORK, {"at": at})

    def keep_waiting(self, workers: Sequence[Worker], *, at: datetime) -> Sequence[Worker]:
        """Those of some workers that still wait, kept for this transaction; others keep the rest."""
        if not writers_meet(self.connection):
            return workers
        # Locked first, asked afterwards: so what the last one who kept them has assigned is seen.
        ids = sorted(worker.id for worker in workers)  # in one order: two servers never wait for each other
        kept = {id_ for batch in batches(ids) for id_ in self.connection.execute(_KEEP, {"workers": batch}).scalars()}
        kept &= set(self.connection.execute(_IDS_WAITING_FOR_WORK, {"at": at}).scalars())
        return [worker for worker in workers if worker.id in kept]

    def forget_connections(self, servers: Collection[int]) -> None:
        """Mark the workers disconnected whose sockets some servers held."""
        for batch in batches(servers):
            gone = sa.update(_workers).where(_workers.c.server.in_(batch))
            self.connection.execute(gone.values(connected_at=None, server=None))

    def _free_name(self, slug: str) -> str:
        statement = sa.select(_workers.c.name).where(_workers.c.name.startswith(slug, autoescape=True))
        taken = frozenset(self.connection.execute(statement).scalars())
        names = (slug, *(f"{slug}-{number}" for number in range(2, len(taken) + 2)))
        return next(name for name in names if name not in taken)

    def _insert_if_free(self, name: str, values: Mapping[str, Any]) -> Worker | None:
        row = {"name": name, "connection": 0, "static_metadata": {}, **values}
        # PostgreSQL counts no rows here; what it returns is there on both databases.
        statement = insert_or_ignore(self.connection, self.table).returning(_workers.c.id)
        id_ = self.connection.execute(statement, row).scalar_one_or_none()
        return None if id_ is None else self.get(id_)


_good_token = _tokens.c.enabled & (_tokens.c.expire_at.is_(None) | (_tokens.c.expire_at > sa.bindparam("at")))
_with_good_token = _workers.join(_tokens, (_tokens.c.id == _workers.c.token) & _good_token)

# Made once: to make a statement costs more than to run it.
_NAMES = sa.select(_workers.c.id, _workers.c.name).where(_workers.c.id.in_(sa.bindparam("ids", expanding=True)))
_ADMITTED = (
    sa.select(_workers.c.id, _workers.c.connection)
    .select_from(_with_good_token)
    .where(_workers.c.id.in_(sa.bindparam("workers", expanding=True)))
)
_CONNECTIONS_OF = sa.select(_workers.c.id, _workers.c.connection).where(
    _workers.c.server == sa.bindparam("holder"), _workers.c.connected_at.is_not(None)
)
_IDS_WAITING_FOR_WORK = (
    sa.select(_workers.c.id)
    .select_from(_with_good_token)
    .where(
        _workers.c.connected_at.is_not(None),
        ~sa.exists().where(IN_HAND, tables.work_requests.c.worker == _workers.c.id),
        ~sa.exists().where(UNRELEASED, tables.attempts.c.worker == _workers.c.id),
    )
    .order_by(_workers.c.id)
)
_WAITING_FOR_WORK = _IDS_WAITING_FOR_WORK.with_only_columns(*WorkerRepository.columns)
# Not FOR UPDATE: that would make those wait who only refer to a worker.
_KEEP = (
    sa.select(_workers.c.id)
    .where(_workers.c.id.in_(sa.bindparam("workers", expanding=True)))
    .order_by(_workers.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)
