"""Limits of a JSON body: how many keys, items and characters its parts may have."""

from collections.abc import Mapping

from attrs import frozen

from debusine.config import Limits
from debusine.domain.errors import Invalid


class TooMuchJSON(Invalid):
    """A part of a JSON body is larger than the limits allow."""

    def __init__(self, path: str, what: str, limit: int) -> None:
        message = f"This may have {limit} {what} at most."
        super().__init__("The request's body is beyond the limits", validation_errors={path or "body": [message]})


@frozen
class Bounds:
    """What holds in one part of a body."""

    keys: int
    items: int
    characters: int

    def check(self, value: object, path: str = "") -> None:
        """Return when the value and all that is in it keep within the bounds."""
        if isinstance(value, str):
            _check(len(value), self.characters, "characters", path)
        elif isinstance(value, dict):
            _check(len(value), self.keys, "keys", path)
            for key, inner in value.items():
                _check(len(key), self.characters, "characters in a key", path)
                self.check(inner, f"{path}.{key[:100]}" if path else key[:100])
        elif isinstance(value, list):
            _check(len(value), self.items, "items", path)
            for index, inner in enumerate(value):
                self.check(inner, f"{path}[{index}]")


def check_limits(value: object, limits: Limits) -> None:
    """Return when a body keeps within the limits; an artifact's ``files`` and ``data`` have wider ones."""
    usual, wider = bounds_of(limits)
    if not isinstance(value, dict):
        return usual.check(value)
    _check(len(value), limits.json_keys, "keys", "")
    for key, inner in value.items():
        _check(len(key), usual.characters, "characters in a key", "")
        wider.get(key, usual).check(inner, key[:100])
    return None


def bounds_of(limits: Limits) -> tuple[Bounds, Mapping[str, Bounds]]:
    """What holds in a body, and what holds below some of its outermost keys instead."""
    usual = Bounds(limits.json_keys, limits.json_array, limits.json_string)
    return usual, {
        "files": Bounds(limits.artifact_files, limits.json_array, limits.json_string),
        "data": Bounds(limits.json_keys, limits.json_array, limits.data_string),
    }


def _check(number: int, limit: int, what: str, path: str) -> None:
    if number > limit:
        raise TooMuchJSON(path, what, limit)
