"""Moments in time: always aware, always asked of one function."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import attrs

#: Before everything.
EPOCH = datetime.fromtimestamp(0, UTC)


def now() -> datetime:
    """The present moment in UTC; the only place that asks the clock."""
    return datetime.now(UTC)


def aware(_instance: object, attribute: "attrs.Attribute[Any]", value: datetime | None) -> None:
    """Refuse a moment without a time zone (an attrs validator; None passes)."""
    if value is not None and value.utcoffset() is None:
        message = f"{attribute.name} must have a time zone, not {value!r}"
        raise ValueError(message)
