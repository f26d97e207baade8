"""Uploads: what there is to know of a file before its bytes are taken."""

from attrs import frozen

from debusine.domain.files import ArtifactPath, File, FileInArtifact, FileUpload


@frozen(kw_only=True)
class UploadTarget:
    """A file of an artifact as an upload meets it."""

    place: FileInArtifact
    #: What is here already; None: nothing, or all of it.
    upload: FileUpload | None
    #: The store that shall keep it.
    store: int
    #: Whether that store keeps the same content already, from wherever it came.
    stored: bool

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
