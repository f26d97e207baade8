"""Object keys: the names under which backends keep objects, made here and never taken from users."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, NewType

from debusine.domain.files import File
from debusine.plugin.file_store import FileMissing, StoreData

#: The content's hash and a part that is the object's own: SHA256-16HEX.
ObjectKey = NewType("ObjectKey", str)

_KEY = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}")


def new_key(file: File) -> ObjectKey:
    """A name that no object had before, also not one of the same content."""
    return ObjectKey(f"{file.hash_digest.hex()}-{secrets.token_hex(8)}")


def key_of(data: Mapping[str, Any]) -> ObjectKey:
    """The key in what storing returned; ``FileMissing`` when it is no key, so that nothing else is ever touched."""
    key = data.get("key")
    if not isinstance(key, str) or not is_key(key):
        raise FileMissing(f"an object under {key!r}")
    return ObjectKey(key)


def data_of(key: ObjectKey) -> StoreData:
    """What finds the object again: ``key_of`` backwards."""
    return {"key": key}


def is_key(name: str) -> bool:
    """Whether a name could be that of an object."""
    return _KEY.fullmatch(name) is not None
