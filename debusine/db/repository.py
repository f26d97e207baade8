"""What all repositories share: a noun, its table, and a guarded way to save."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    _by_id: ClassVar[sa.Select[Any]]
    _by_id_locked: ClassVar[sa.Select[Any]]
    _insert: ClassVar[sa.Insert]
    #: Names of the columns that are written → statement.
    _updates: ClassVar[dict[tuple[str, ...], sa.Update]]

    def __init_subclass__(cls) -> None:
        """Make what each repository needs once: to make a statement costs more than to run it."""
        fields = {field.name for field in attrs.fields(cls.noun)}
        cls.columns = tuple(column for column in cls.table.c if column.name in fields)
        cls._by_id = sa.select(*cls.columns).where(cls.table.c.id == sa.bindparam("key"))
        cls._by_id_locked = cls._by_id.with_for_update()
        cls._insert = sa.insert(cls.table)
        cls._updates = {}

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
        return self._one_or_none(self._by_id_locked if lock else self._by_id, {"key": id_})

    def save(self, new: N, *, expecting: N) -> None:
        """Write what differs; ``Overtaken`` when the row is not as expected any more."""
        self.save_all([(expecting, new)])

    def save_all(self, changed: Iterable[tuple[N, N]]) -> None:
        """As ``save`` for several, each as it was expected and as it is to be; at once those that differ alike."""
        alike = defaultdict[tuple[str, ...], list[dict[str, Any]]](list)
        for before, after in changed:
            different = self._values(changes(before, after), after)
            alike[tuple(different)].append(self._parameters(different, before))
        for names, rows in alike.items():
            if names and self.connection.execute(self._update(names), rows).rowcount != len(rows):
                raise Overtaken(self.title, ", ".join(str(row["key"]) for row in rows))

    def insert(self, **values: Any) -> N:
        """Add a row, the noun's defaults included, and return the noun with its new id."""
        made = self.noun(id=0, **values)
        row = {column.name: getattr(made, column.name) for column in self.columns}
        del row["id"]
        result = self.connection.execute(self._insert, self._values(row, made))
        key = cast("tuple[int]", result.inserted_primary_key)[0]
        return cast(N, attrs.evolve(made, id=key))

    def delete(self, id_: int) -> None:
        """Remove the row with this id; nothing happens when there is none."""
        self.connection.execute(sa.delete(self.table).where(self.table.c.id == id_))

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self.columns)

    def _values(self, values: dict[str, Any], of: N) -> dict[str, Any]:
        """What stands in the columns for these fields of a noun; repositories with derived columns add them."""
        return values

    def _parameters(self, different: Mapping[str, Any], expecting: N) -> dict[str, Any]:
        key = expecting.id  # type: ignore[attr-defined]
        values = {f"new_{name}": value for name, value in different.items()}
        guards = {f"old_{name}": getattr(expecting, name) for name in self.guards}
        return {"key": key, **values, **guards}

    def _update(self, names: tuple[str, ...]) -> sa.Update:
        if names not in self._updates:
            columns = self.table.c
            same = (columns[name].is_not_distinct_from(sa.bindparam(f"old_{name}")) for name in self.guards)
            statement = sa.update(self.table).where(columns.id == sa.bindparam("key"), *same)
            self._updates[names] = statement.values({name: sa.bindparam(f"new_{name}") for name in names})
        return self._updates[names]

    def _one_or_none(self, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> N | None:
        row = self.connection.execute(statement, values).one_or_none()
        return None if row is None else self._noun(row)

    def _all(self, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[N]:
        return [self._noun(row) for row in self.connection.execute(statement, values)]

    def _noun(self, row: sa.Row[Any]) -> N:
        return cast(N, noun(self.noun, row))
