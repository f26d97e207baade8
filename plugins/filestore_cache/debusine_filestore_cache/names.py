"""Names of copies: of an object's content and of what finds it, never of what users chose."""

import hashlib
import json
import re
from typing import NewType

from debusine.plugin import File, StoreData

#: The content's hash, and one of the data by which the store behind finds the object.
Name = NewType("Name", str)

_NAME = re.compile(r"[0-9a-f]{64}-[0-9a-f]{32}")


def name_of(file: File, data: StoreData) -> Name:
    """The name of an object's copy; another object with the same content has a copy of its own.

    So a copy goes when its object goes, and no object is found by another's copy.
    """
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return Name(f"{file.hash_digest.hex()}-{hashlib.sha256(canonical.encode()).hexdigest()[:32]}")


def is_name(name: str) -> bool:
    """Whether a file in the cache could be a copy."""
    return _NAME.fullmatch(name) is not None
