"""Rows into the domain's classes, and back into values for a statement."""

from typing import Any, TypeVar

import attrs
import sqlalchemy as sa

N = TypeVar("N", bound=attrs.AttrsInstance)


def noun(into: type[N], row: sa.Row[Any]) -> N:
    """Make one noun of a row whose columns bear the names of its fields."""
    return into(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to the names


def changes(old: N, new: N) -> dict[str, Any]:
    """The columns in which two values of one noun differ."""
    return {name: value for name, value in attrs.asdict(new, recurse=False).items() if value != getattr(old, name)}
