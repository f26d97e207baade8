"""Artifacts and their relations in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.engine import insert_or_ignore
from debusine.db.repository import Repository
from debusine.domain.artifacts import Artifact, ArtifactRelation, RelationType


class ArtifactRepository(Repository[Artifact]):
    """Finds and keeps artifacts."""

    table = tables.artifacts
    noun = Artifact
    title = "artifact"

    def with_ids(self, ids: Collection[int]) -> Sequence[Artifact]:
        """Those of these artifacts that exist, by id."""
        found: list[Artifact] = []
        for batch in batches(sorted(ids)):
            found += self._all(sa.select(self.table).where(self.table.c.id.in_(batch)).order_by(self.table.c.id))
        return found

    def weight(self, ids: Collection[int]) -> int:
        """How many characters the data of these artifacts have, so that nobody reads more than there is room for."""
        length = sa.func.coalesce(sa.func.sum(sa.func.length(sa.cast(self.table.c.data, sa.Text))), 0)
        batched = (sa.select(length).where(self.table.c.id.in_(batch)) for batch in batches(sorted(ids)))
        return sum(int(self.connection.execute(statement).scalar_one()) for statement in batched)

    def made_in(self, work_request: int, attempt: int) -> Sequence[Artifact]:
        """What one attempt has made, by id."""
        return self._all(
            sa.select(self.table).where(*self._of_attempt(work_request, attempt)).order_by(self.table.c.id)
        )

    def attach(self, work_request: int, attempt: int) -> None:
        """Let what an attempt has made count among its work request's artifacts."""
        self.connection.execute(_ATTACH, {"work_request": work_request, "attempt": attempt})

    def expired(self, at: datetime) -> Sequence[Artifact]:
        """Those whose time is over, by id."""
        return self._all(sa.select(self.table).where(self.table.c.expire_at <= at).order_by(self.table.c.id))

    def not_expired(self, at: datetime) -> Sequence[Artifact]:
        """Those whose time is not over, or that never expire, by id."""
        lasting = sa.or_(self.table.c.expire_at.is_(None), self.table.c.expire_at > at)
        return self._all(sa.select(self.table).where(lasting).order_by(self.table.c.id))

    def _of_attempt(self, work_request: int, attempt: int) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self.table.c
        return columns.created_by_work_request == work_request, columns.created_by_attempt == attempt


class RelationRepository(Repository[ArtifactRelation]):
    """Finds and keeps relations between artifacts."""

    table = tables.artifact_relations
    noun = ArtifactRelation
    title = "relation"

    def get_or_create(self, artifact: int, target: int, type_: RelationType) -> tuple[ArtifactRelation, bool]:
        """The relation, and whether it is new."""
        columns = self.table.c
        values = {"artifact": artifact, "target": target, "type": type_}
        insert = insert_or_ignore(self.connection, self.table).values(values).returning(self.table)
        if (row := self.connection.execute(insert).one_or_none()) is not None:
            return self._noun(row), True
        same = (columns.artifact == artifact, columns.target == target, columns.type == type_)
        return self._noun(self.connection.execute(sa.select(self.table).where(*same)).one()), False

    def between(self, artifact: int | None, target: int | None) -> Sequence[ArtifactRelation]:
        """The relations that go out from an artifact, or lead to one, or both; by id."""
        statement = sa.select(self.table).order_by(self.table.c.id)
        if artifact is not None:
            statement = statement.where(self.table.c.artifact == artifact)
        if target is not None:
            statement = statement.where(self.table.c.target == target)
        return self._all(statement)

    def targets(self, artifacts: Collection[int], type_: RelationType | None = None) -> Sequence[tuple[int, int]]:
        """Artifact and target of each relation that goes out from these artifacts, of one type or of any; by id."""
        columns = self.table.c
        found: list[tuple[int, int]] = []
        for batch in batches(sorted(artifacts)):
            statement = sa.select(columns.artifact, columns.target).where(columns.artifact.in_(batch))
            if type_ is not None:
                statement = statement.where(columns.type == type_)
            found += [(row.artifact, row.target) for row in self.connection.execute(statement.order_by(columns.id))]
        return found


# Made once: to make a statement costs more than to run it.
_ATTACH = (
    sa.update(tables.artifacts)
    .where(
        tables.artifacts.c.created_by_work_request == sa.bindparam("work_request"),
        tables.artifacts.c.created_by_attempt == sa.bindparam("attempt"),
    )
    .values(attached=True)
)
