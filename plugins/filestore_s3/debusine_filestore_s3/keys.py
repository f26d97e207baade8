"""Keys: the names of objects, made here and never taken from users."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, NewType

from debusine.plugin import File, FileMissing, StoreData

#: The content's hash and a part that is the object's own: SHA256-16HEX; the store's prefix is not part of it.
Key = NewType("Key", str)

_KEY = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}")


def new_key(file: File) -> Key:
    """A name that no object had before, also not one of the same content."""
    return Key(f"{file.hash_digest.hex()}-{secrets.token_hex(8)}")


def key_of(data: Mapping[str, Any]) -> Key:
    """The key in what storing returned; ``FileMissing`` when it is no key, so that nothing else is ever touched."""
    key = data.get("key")
    if not isinstance(key, str) or not is_key(key):
        raise FileMissing(f"an object under {key!r}")
    return Key(key)


def data_of(key: Key) -> StoreData:
    """What finds the object again."""
    return {"key": key}


def is_key(name: str) -> bool:
    """Whether a name could be that of an object."""
    return _KEY.fullmatch(name) is not None
