"""Files: content known by its hash, the places that keep it, and the paths that name it."""

import hashlib
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

from attrs import field, frozen

from debusine.domain.errors import Invalid
from debusine.domain.times import aware

#: Bytes read at a time when a file is hashed.
BLOCK = 1 << 20

#: An artifact's path is at most this many characters long, and each of its components this many bytes.
PATH_CHARACTERS = 500
COMPONENT_BYTES = 255

#: Overrides and isolates: they make a path look like another one.
BIDIRECTIONAL_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class FileState(StrEnum):
    """Whether new references to a file may be made; gone means that there is no row."""

    LIVE = "live"
    DELETING = "deleting"


@frozen(kw_only=True)
class Digest:
    """What identifies content: its hash and its size in bytes."""

    hash_digest: bytes
    size: int

    @property
    def hex(self) -> str:
        """The hash in hexadecimal, as it appears on the wire."""
        return self.hash_digest.hex()


@frozen(kw_only=True)
class File:
    """Content that the farm knows, whether its bytes are here yet or not."""

    current_hash_algorithm: ClassVar[str] = "sha256"

    #: 0: not in the database yet.
    id: int = 0
    #: Callers read ``hash_digest``, so that the algorithm can change in one place.
    sha256: bytes
    #: Bytes.
    size: int
    state: FileState = FileState.LIVE

    @property
    def hash_digest(self) -> bytes:
        """The content's hash under the current algorithm."""
        return self.sha256

    @property
    def digest(self) -> Digest:
        """What identifies this content."""
        return Digest(hash_digest=self.hash_digest, size=self.size)

    @classmethod
    def calculate_hash(cls, path: Path) -> bytes:
        """Hash a local file, block by block."""
        running = hashlib.new(cls.current_hash_algorithm)
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                running.update(block)
        return running.digest()

    def holds(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return hashlib.new(self.current_hash_algorithm, content).digest() == self.hash_digest

    @classmethod
    def from_local_path(cls, path: Path) -> Self:
        """Describe a local file; not in the database yet."""
        return cls(sha256=cls.calculate_hash(path), size=path.stat().st_size)


#: The digest of no bytes at all: such a file is complete as soon as it is declared.
EMPTY_DIGEST = Digest(hash_digest=hashlib.sha256(b"").digest(), size=0)


@frozen(kw_only=True)
class FileInArtifact:
    """A file under a path of an artifact; complete once a store keeps its bytes."""

    id: int
    artifact: int
    file: File
    path: "ArtifactPath"
    complete: bool
    content_type: str | None = None


@frozen
class ListedFile:
    """A file of an artifact as lists show it: there are thousands of them, so it is made in one go."""

    path: str
    #: Bytes.
    size: int
    #: The hash in hexadecimal.
    hash: str
    complete: bool
    content_type: str | None


@frozen(kw_only=True)
class FileInStore:
    """A copy of a file in a store, with what the backend needs to find it again."""

    id: int
    store: int
    file: int
    data: Mapping[str, Any]
    #: When its bytes were last known to be those of the file.
    verified_at: datetime = field(validator=aware)


class SetAside(StrEnum):
    """Why an object does not count as a copy any more."""

    #: Another store has the file now.
    MOVED = "moved"
    #: Its bytes are not those of the file.
    DAMAGED = "damaged"
    #: The store does not hold it.
    LOST = "lost"


@frozen(kw_only=True)
class SetAsideCopy:
    """An object that does not count any more as a copy of its file, and may still be there."""

    id: int
    store: int
    file: int
    data: Mapping[str, Any]
    reason: SetAside
    #: What was found, for people.
    detail: str = ""
    since: datetime = field(validator=aware)
    #: When the object may go; None: it is for the operator to look at.
    remove_at: datetime | None = None


@frozen(kw_only=True)
class FileStore:
    """A place that keeps files: a backend and its options, by name."""

    id: int
    name: str
    backend: str
    #: The backend's options without secrets.
    configuration: Mapping[str, Any]


@frozen(kw_only=True)
class FileUpload:
    """A file that is being sent: its bytes so far are below the upload directory."""

    id: int
    file_in_artifact: int
    #: Of the partial bytes, relative to the upload directory; empty when a store has them.
    path: str
    #: The durable offset: this many bytes survive a power cut.
    received: int
    last_activity_at: datetime = field(validator=aware)

    def absolute_file_path(self, upload_directory: Path) -> Path:
        """Where the partial bytes are."""
        return upload_directory / self.path


class InvalidPath(Invalid):
    """A path may not name a file in an artifact."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path[:PATH_CHARACTERS]!r} cannot be a path in an artifact", detail=reason)
        self.reason = reason


class ArtifactPath(str):
    """A path of a file inside an artifact: relative, normalised, safe to unpack and to print.

    Made from a string only by passing every rule, else ``InvalidPath``.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text against the rules for paths."""
        if reason := _reason_against(text):
            raise InvalidPath(text, reason)
        return super().__new__(cls, text)

    @classmethod
    def known(cls, text: str) -> Self:
        """A path that passed the rules before: the checks cost time, and the database holds only such."""
        return super().__new__(cls, text)

    @property
    def name(self) -> str:
        """The last component."""
        return self.rpartition("/")[2]


def _reason_against(path: str) -> str | None:
    if not path:
        return "it is empty"
    if len(path) > PATH_CHARACTERS:
        return f"it is longer than {PATH_CHARACTERS} characters"
    return _reason_against_characters(path) or _reason_against_components(path.split("/"))


def _reason_against_characters(path: str) -> str | None:
    if any(unicodedata.category(character) == "Cc" for character in path):
        return "it has a control character"
    if BIDIRECTIONAL_CONTROLS.intersection(path):
        return "it has a character that changes the writing direction"
    if any("\ud800" <= character <= "\udfff" for character in path):
        return "it is not valid UTF-8"
    if not unicodedata.is_normalized("NFC", path):
        return "it is not in Unicode's normal form NFC"
    return None


def _reason_against_components(components: list[str]) -> str | None:
    if components[0] == "":
        return "it is absolute"
    for component in components:
        if component in {"", ".", ".."}:
            return "it has an empty component, '.' or '..'"
        if len(component.encode()) > COMPONENT_BYTES:
            return f"it has a component of more than {COMPONENT_BYTES} bytes"
    return None
