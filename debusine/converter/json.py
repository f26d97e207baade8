"""JSON in, with every doubt refused; JSON out, fast."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

from debusine.domain.errors import Invalid

#: Objects and arrays inside one another, at most.
MAX_DEPTH = 32


class InvalidJSON(Invalid):
    """The body is not JSON that two programs would read alike."""

    def __init__(self, reason: str) -> None:
        super().__init__("The request's body is not valid JSON", detail=reason)


def loads(text: bytes | str) -> Any:
    """Read JSON strictly: no duplicate keys, no NaN, no lone surrogates, no NUL, at most 32 deep; else ``InvalidJSON``.

    The standard parser is used because orjson drops duplicate keys in silence.
    """
    try:
        # Decoded here, because the parser would also take UTF-16 and UTF-32.
        decoded = text.decode() if isinstance(text, bytes) else text
        value = json.loads(decoded, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidJSON(f"it is nested deeper than {MAX_DEPTH}") from error
    except ValueError as error:
        raise InvalidJSON(str(error)) from error
    check_values(value)
    return value


def dumps(value: object) -> bytes:
    """Write JSON; aware datetimes as ISO 8601, those in UTC with a final Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def check_values(value: object, depth: int = 0) -> None:
    """Refuse what PostgreSQL or another reader could not hold: NUL, lone surrogates, huge numbers, deep nesting."""
    if depth > MAX_DEPTH:
        raise InvalidJSON(f"it is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            check_values(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_values(inner, depth + 1)
    elif isinstance(value, int | float):
        _check_number(value)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidJSON("it has a NUL character in a string")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidJSON("it has half a surrogate pair in a string")


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
