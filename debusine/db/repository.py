"""What all repositories share: a noun, its table, and a guarded way to save."""

from typing import Any, ClassVar, Generic, TypeVar, cast

import attrs
import sqlalchemy as sa

from debusine.db.rows import changes, noun
from debusine.domain.errors import Conflict, NotFound

N = TypeVar("N", bound=attrs.AttrsInstance)


class Missing(NotFound):
    """No row has this id."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"There is no {what} {key}")


class Overtaken(Conflict):
    """A row is not any more as it was read: somebody else was faster."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"The {what} {key} was changed by somebody else at the same time")


class Repository(Generic[N]):
    """Finds and keeps one kind of noun, over the connection of one unit of work."""

    table: ClassVar[sa.Table]
    noun: ClassVar[type[Any]]
    #: The noun in messages to people.
    title: ClassVar[str]
    #: Columns that must still be as they were when a changed noun is saved.
    guards: ClassVar[tuple[str, ...]] = ()
    #: The columns that the noun has; derived ones stay in the database.
    columns: ClassVar[tuple[sa.Column[Any], ...]]

    def __init_subclass__(cls) -> None:
        """Find the noun's columns once for each repository."""
        fields = {field.name for field in attrs.fields(cls.noun)}
        cls.columns = tuple(column for column in cls.table.c if column.name in fields)

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def get(self, id_: int, *, lock: bool = False) -> N:
        """The noun with this id, or ``Missing``; ``lock`` keeps others from changing it until the commit."""
        found = self.get_or_none(id_, lock=lock)
        if found is None:
            raise Missing(self.title, id_)
        return found

    def get_or_none(self, id_: int, *, lock: bool = False) -> N | None:
        """The noun with this id."""
        statement = self._select().where(self.table.c.id == id_)
        return self._one_or_none(statement.with_for_update() if lock else statement)

    def save(self, new: N, *, expecting: N) -> None:
        """Write what differs; ``Overtaken`` when the row is not as expected any more."""
        different = self._values(changes(expecting, new))
        if not different:
            return
        key = expecting.id  # type: ignore[attr-defined]
        condition = [self.table.c.id == key]
        condition += [self.table.c[name].is_not_distinct_from(getattr(expecting, name)) for name in self.guards]
        if self.connection.execute(sa.update(self.table).where(*condition).values(different)).rowcount != 1:
            raise Overtaken(self.title, key)

    def insert(self, **values: Any) -> N:
        """Add a row, the noun's defaults included, and return the noun with its new id."""
        made = self.noun(id=0, **values)
        row = {column.name: getattr(made, column.name) for column in self.columns}
        del row["id"]
        result = self.connection.execute(sa.insert(self.table), self._values(row))
        key = cast("tuple[int]", result.inserted_primary_key)[0]
        return cast(N, attrs.evolve(made, id=key))

    def delete(self, id_: int) -> None:
        """Remove the row with this id; nothing happens when there is none."""
        self.connection.execute(sa.delete(self.table).where(self.table.c.id == id_))

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self.columns)

    def _values(self, values: dict[str, Any]) -> dict[str, Any]:
        """What stands in the columns for these fields; repositories with derived columns add them."""
        return values

    def _one_or_none(self, statement: sa.Select[Any]) -> N | None:
        row = self.connection.execute(statement).one_or_none()
        return None if row is None else self._noun(row)

    def _all(self, statement: sa.Select[Any]) -> list[N]:
        return [self._noun(row) for row in self.connection.execute(statement)]

    def _noun(self, row: sa.Row[Any]) -> N:
        return cast(N, noun(self.noun, row))
