"""Secrets: values that never show themselves, and the keys of tokens."""

import hashlib
import secrets
from typing import final


@final
class Secret:
    """A value that appears in no log, page or dump; ``reveal()`` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return secrets.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))


def new_key() -> str:
    """A fresh token key: 256 random bits as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def key_hash(key: str) -> str:
    """What is stored of a token's key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
