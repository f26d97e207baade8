"""JSON in, with every doubt refused; JSON out, fast."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

from debusine.converter.json_sizes import holds_more_values
from debusine.domain.errors import Invalid

#: Objects and arrays inside one another, at most, where nobody says otherwise.
MAX_DEPTH = 32


class InvalidJSON(Invalid):
    """The body is not JSON that two programs would read alike."""

    def __init__(self, reason: str) -> None:
        super().__init__("The request's body is not valid JSON", detail=reason)


class TooDeep(InvalidJSON):
    """The body has objects and arrays inside one another again and again."""

    def __init__(self, depth: int) -> None:
        super().__init__(f"it is nested deeper than {depth}")


class TooManyValues(InvalidJSON):
    """The body has so many values that reading them would cost more than they may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it has more than {most} values")


def loads(text: bytes | str, *, depth: int = MAX_DEPTH, values: int | None = None) -> Any:
    """Read JSON strictly: no duplicate keys, no NaN, no lone surrogates, no NUL; else ``InvalidJSON``.

    It may be ``depth`` deep and, if it is given as bytes, have so many ``values``. The standard parser is used because
    orjson drops duplicate keys in silence.
    """
    if values is not None and isinstance(text, bytes) and holds_more_values(text, values):
        raise TooManyValues(values)
    try:
        # Decoded here, because the parser would also take UTF-16 and UTF-32.
        decoded = text.decode() if isinstance(text, bytes) else text
        value = json.loads(decoded, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise TooDeep(depth) from error
    except ValueError as error:
        raise InvalidJSON(str(error)) from error
    check_values(value, depth)
    return value


def dumps(value: object) -> bytes:
    """Write JSON; aware datetimes as ISO 8601, those in UTC with a final Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def check_values(value: object, depth: int = MAX_DEPTH) -> None:
    """Refuse what PostgreSQL or another reader could not hold: NUL, lone surrogates, huge numbers, deep nesting."""
    _check(value, depth, depth)


def _check(value: object, left: int, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        _check_depth(left, depth)
        for key, inner in value.items():
            _check_text(key)
            _check(inner, left - 1, depth)
    elif isinstance(value, list):
        _check_depth(left, depth)
        for inner in value:
            _check(inner, left - 1, depth)
    elif isinstance(value, int | float):
        _check_number(value)


def _check_depth(left: int, depth: int) -> None:
    if not left:
        raise TooDeep(depth)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidJSON("it has a NUL character in a string")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidJSON("it has half a surrogate pair in a string") from None


def _check_number(value: float) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidJSON("it has a whole number of more than 64 bits")
    if value in {float("inf"), float("-inf")}:
        raise InvalidJSON("it has a number that is too large")


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidJSON("an object has the same key twice")
    return result


def _refuse_constant(name: str) -> None:
    raise InvalidJSON(f"{name} is not JSON")
