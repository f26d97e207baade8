"""Uploads: what there is to know of a file before its bytes are taken."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from debusine.domain.files import ArtifactPath, File, FileInArtifact, FileUpload


@frozen(kw_only=True)
class Tail:
    """The last bytes of a parted upload, too few for a part: an object of its own in the same store."""

    sha256: bytes
    #: Bytes.
    size: int
    #: What finds it.
    data: Mapping[str, Any]

    @property
    def file(self) -> File:
        """Its content."""
        return File(sha256=self.sha256, size=self.size)


@frozen(kw_only=True)
class UploadPart:
    """A part of an upload that a store keeps."""

    number: int
    #: Bytes.
    size: int
    #: What the store needs to know of it at the end.
    data: Mapping[str, Any]


@frozen(kw_only=True)
class PartedUpload:
    """An upload whose bytes are in a store already."""

    store: int
    #: By which the store finds what was begun.
    data: Mapping[str, Any]
    tail: Tail | None = None
    #: How many parts there are.
    parts: int = 0


@frozen(kw_only=True)
class UploadTarget:
    """A file of an artifact as an upload meets it."""

    place: FileInArtifact
    #: What is here already; None: nothing, or all of it.
    upload: FileUpload | None
    #: How it is in a store, if it is there; None: it is in the spool of a server.
    parted: PartedUpload | None = None
    #: The stores that may keep the file, the best one first.
    stores: tuple[int, ...]
    #: The store that keeps the same content already, from wherever it came; None: it must be stored.
    stored: int | None

    @property
    def file(self) -> File:
        """The content that must come."""
        return self.place.file

    @property
    def received(self) -> int:
        """The durable offset: the next byte to send."""
        if self.place.complete:
            return self.file.size
        return self.upload.received if self.upload is not None else 0


@frozen(kw_only=True)
class IdleUpload:
    """An upload that nobody has gone on with, and the file that it is of."""

    upload: FileUpload
    artifact: int
    path: ArtifactPath
