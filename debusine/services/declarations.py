"""Declarations: artifacts as somebody wants them, checked before the database is asked for anything."""

import re
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen

from debusine.config import Limits
from debusine.converter.categories import check_artifact
from debusine.converter.structure import InvalidFields
from debusine.domain.durations import InvalidDuration, parse_duration
from debusine.domain.errors import TooLarge
from debusine.domain.files import EMPTY_DIGEST, ArtifactPath, Digest, File
from debusine.domain.workspaces import Workspace
from debusine.protocol.resources import ArtifactSubmission, FileSubmission

HASH = File.current_hash_algorithm
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}", re.ASCII)

#: No artifact lives longer than this unless it lives for ever; longer spans would leave the calendar.
LONGEST_DELAY = timedelta(days=365_000)


class FilesTooLarge(TooLarge):
    """An artifact or one of its files has more bytes than the farm takes."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} is too large", detail=f"It has {size} bytes; the limit is {limit}")


@frozen(kw_only=True)
class DeclaredFile:
    """A file that an artifact shall have."""

    path: ArtifactPath
    digest: Digest
    content_type: str | None


@frozen(kw_only=True)
class Declaration:
    """An artifact as somebody wants it."""

    category: str
    #: None: the default one, or that of the work request.
    workspace: str | None
    data: Mapping[str, Any]
    #: Sorted by path.
    files: tuple[DeclaredFile, ...]
    #: The one that makes it; set by workers.
    work_request: int | None
    expire_at: datetime | None
    #: None: as the workspace says; zero: never expires.
    expiration_delay: timedelta | None = field(default=None)

    def expires(self, workspace: Workspace, created_at: datetime) -> datetime | None:
        """When its time is over; None: never."""
        if self.expire_at is not None:
            return self.expire_at
        delay = workspace.default_expiration_delay if self.expiration_delay is None else self.expiration_delay
        return created_at + delay if delay else None


def declaration(submission: ArtifactSubmission, limits: Limits) -> Declaration:
    """Check what the types alone do not; ``InvalidFields`` names each wrong field by its path."""
    errors = {path: [message] for path, message in _errors(submission, limits)}
    if errors:
        raise InvalidFields("Cannot deserialize artifact", errors)
    _check_sizes(submission, limits)
    check_artifact(submission.category, submission.data, submission.files)
    return Declaration(
        category=submission.category,
        workspace=submission.workspace,
        data=submission.data,
        files=tuple(_declared(path, submission.files[path]) for path in sorted(submission.files)),
        work_request=submission.work_request,
        expire_at=None if submission.expire_at is None else submission.expire_at.astimezone(UTC),
        expiration_delay=_delay(submission),
    )


def _declared(path: ArtifactPath, file: FileSubmission) -> DeclaredFile:
    digest = Digest(hash_digest=bytes.fromhex(file.checksums[HASH]), size=file.size)
    return DeclaredFile(path=path, digest=digest, content_type=file.content_type)


def _delay(submission: ArtifactSubmission) -> timedelta | None:
    return None if submission.expiration_delay is None else parse_duration(submission.expiration_delay)


def _errors(submission: ArtifactSubmission, limits: Limits) -> Iterator[tuple[str, str]]:
    if len(submission.files) > limits.artifact_files:
        yield "files", f"An artifact may have {limits.artifact_files} files, not {len(submission.files)}."
        return
    for path, file in submission.files.items():
        yield from _errors_of_file(f"files[{str(path)!r}]", file)
    yield from _errors_of_paths(submission.files)
    yield from _errors_of_expiry(submission)


def _errors_of_file(where: str, file: FileSubmission) -> Iterator[tuple[str, str]]:
    if unknown := sorted(set(file.checksums) - {HASH}):
        yield f"{where}.checksums", f"Only {HASH} is known here, not {', '.join(unknown)[:200]}."
    elif HASH not in file.checksums:
        yield f"{where}.checksums['{HASH}']", "This field is required."
    elif not _HEXADECIMAL.fullmatch(file.checksums[HASH]):
        yield f"{where}.checksums['{HASH}']", "This must be 64 lower-case hexadecimal digits."
    elif file.size == 0 and file.checksums[HASH] != EMPTY_DIGEST.hex:
        yield f"{where}.checksums['{HASH}']", f"An empty file has the hash {EMPTY_DIGEST.hex}."


def _errors_of_paths(files: Mapping[ArtifactPath, object]) -> Iterator[tuple[str, str]]:
    """Who unpacks the artifact could not make a file and a directory of one name."""
    for path in files:
        parents = (path[:index] for index, character in enumerate(path) if character == "/")
        if parent := next((parent for parent in parents if parent in files), None):
            yield f"files[{str(path)!r}]", f"{str(parent)!r} cannot be a file and a directory."


def _errors_of_expiry(submission: ArtifactSubmission) -> Iterator[tuple[str, str]]:
    if submission.expire_at is not None and submission.expire_at.year in {MINYEAR, MAXYEAR}:
        yield "expire_at", "This is too near to the end of the calendar."  # it may lie outside in another time zone
    if submission.expiration_delay is None:
        return
    if submission.expire_at is not None:
        yield "expiration_delay", "Give expire_at or expiration_delay, not both."
    try:
        if parse_duration(submission.expiration_delay) > LONGEST_DELAY:
            yield "expiration_delay", f"This may be {LONGEST_DELAY.days} days; 0 means for ever."
    except InvalidDuration as error:
        yield "expiration_delay", error.title


def _check_sizes(submission: ArtifactSubmission, limits: Limits) -> None:
    sizes = {path: file.size for path, file in submission.files.items()}
    for path, size in sizes.items():
        if size > limits.file:
            raise FilesTooLarge(f"The file {str(path)!r}", size, limits.file)
    if (total := sum(sizes.values())) > limits.artifact:
        raise FilesTooLarge("The artifact", total, limits.artifact)
