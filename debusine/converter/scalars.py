"""Single values: each is of the type that it should be, or an error; nothing is coerced."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, NoReturn

from debusine.domain.files import ArtifactPath
from debusine.domain.lookups import MultipleLookup
from debusine.domain.secrets import Secret

#: Takes a plain value and the type that it should become.
Hook = Callable[[Any, Any], Any]


def guarded(inner: Hook, fitting: type | tuple[type, ...], expected: str) -> Hook:
    """A hook for values of these types only; any other is told what was expected."""

    def check_first(value: object, type_: object) -> object:
        return inner(value, type_) if isinstance(value, fitting) else _wrong(value, expected)

    return check_first


def member(value: object, type_: type[StrEnum]) -> StrEnum:
    """The member of an enumeration."""
    try:
        return type_(_string(value, str))
    except ValueError:
        message = f"This must be one of: {', '.join(member.value for member in type_ if member.value)}."
        raise ValueError(message) from None


def _wrong(value: object, expected: str) -> NoReturn:
    kind = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    message = f"This must be {expected}, not {kind.get(type(value), 'a number')}."
    raise TypeError(message)


def _string(value: object, _: object) -> str:
    return value if type(value) is str else _wrong(value, "a string")


def _integer(value: object, _: object) -> int:
    return value if type(value) is int else _wrong(value, "a whole number")


def _boolean(value: object, _: object) -> bool:
    return value if type(value) is bool else _wrong(value, "true or false")


def _number(value: object, _: object) -> float:
    if type(value) not in {int, float}:
        _wrong(value, "a number")
    if not isfinite(value):  # type: ignore[arg-type]
        message = "This must be a finite number."
        raise ValueError(message)
    return float(value)  # type: ignore[arg-type]


def _moment(value: object, _: object) -> datetime:
    if isinstance(value, datetime):  # TOML has datetimes of its own
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(_string(value, str))
        except ValueError:
            message = "This must be a date and time in ISO 8601."
            raise ValueError(message) from None
    if moment.utcoffset() is None:
        message = "This date and time has no time zone."
        raise ValueError(message)
    try:
        moment.astimezone(UTC)
    except OverflowError:
        message = "This date and time is not between the years 1 and 9999 in UTC."
        raise ValueError(message) from None
    return moment


def _path(value: object, _: object) -> ArtifactPath:
    return ArtifactPath(_string(value, str))


def _secret(value: object, _: object) -> Secret:
    return Secret(_string(value, str))


def _several(value: object, _: object) -> MultipleLookup:
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        _wrong(value, "an array of lookups or one object")
    for item in items:
        if type(item) not in {int, str, dict}:
            _wrong(item, "an artifact's id, a string or an object")
    return MultipleLookup(tuple(items))


#: Type → the hook for its values.
SCALARS: dict[Any, Hook] = {
    str: _string,
    int: _integer,
    bool: _boolean,
    float: _number,
    datetime: _moment,
    ArtifactPath: _path,
    Secret: _secret,
    MultipleLookup: _several,
}
