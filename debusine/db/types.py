"""Column types: the same values in and out on SQLite and PostgreSQL."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

E = TypeVar("E", bound=StrEnum)

#: 64 bits on PostgreSQL; on SQLite the one type that counts by itself (and is 64 bits, too).
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: None is SQL's NULL, never JSON's null.
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def Text(length: int | None = None) -> sa.types.TypeEngine[str]:  # noqa: N802 - reads as a type in a column
    """Text that sorts by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


class Instant(sa.types.TypeDecorator[datetime]):
    """A moment: refuses naive ones, stores UTC, returns aware ones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Store in UTC."""
        if value is None:
            return None
        if value.utcoffset() is None:
            message = f"a moment without a time zone cannot be stored: {value!r}"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return aware; SQLite gives back what was stored without its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Seconds(sa.types.TypeDecorator[timedelta]):
    """A span of time, in whole seconds."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: sa.Dialect) -> int | None:
        """Store the number of seconds."""
        return None if value is None else round(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> timedelta | None:
        """Return a span."""
        return None if value is None else timedelta(seconds=value)


class EnumText(sa.types.TypeDecorator[E], Generic[E]):
    """An enumeration by its value, without a type of the database's own: new values need no migration."""

    impl = sa.String(32)
    cache_ok = True

    def __init__(self, enumeration: type[E]) -> None:
        super().__init__()
        self.enumeration = enumeration

    def process_bind_param(self, value: E | str | None, dialect: sa.Dialect) -> str | None:
        """Store the value, which must be one of the enumeration's."""
        return None if value is None else self.enumeration(value).value

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> E | None:
        """Return the member."""
        return None if value is None else self.enumeration(value)


class Ids(sa.types.TypeDecorator[tuple[int, ...]]):
    """A short list of ids, as JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Iterable[int] | None, dialect: sa.Dialect) -> list[int]:
        """Store a list."""
        return list(value or ())

    def process_result_value(self, value: list[int] | None, dialect: sa.Dialect) -> tuple[int, ...]:
        """Return a tuple."""
        return tuple(value or ())


#: What stands in JSON columns.
JSONObject = dict[str, Any]
