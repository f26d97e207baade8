"""Spans: which bytes of a file an upload's request brings, and every reason against taking them."""

from attrs import frozen

from debusine.config import Limits
from debusine.domain.errors import Invalid, TooLarge
from debusine.domain.uploads import UploadTarget
from debusine.protocol.ranges import ContentRange


class WrongSize(Invalid):
    """A request speaks of another size than the artifact declares."""

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"Invalid file size in Content-Range header. Expected {expected} received {received}")


class Gap(Invalid):
    """A chunk begins after the bytes that are here."""

    def __init__(self, start: int, received: int) -> None:
        super().__init__(f"The chunk begins at byte {start}, and only {received} bytes are here")


class PastTheEnd(Invalid):
    """A chunk reaches beyond the file."""

    def __init__(self, stop: int, size: int) -> None:
        super().__init__(f"The chunk ends at byte {stop}, and the file has {size}")


class WrongLength(Invalid):
    """The body is not as long as it was said to be."""

    def __init__(self, expected: int, length: int) -> None:
        super().__init__(f"The body has {length} bytes where {expected} were announced")


class ChunkTooLarge(TooLarge):
    """A request brings more bytes than one may."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__("The chunk is too large", detail=f"It has {size} bytes; send at most {limit} in one request")


@frozen
class Span:
    """The bytes from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @classmethod
    def of(cls, part: ContentRange | None, target: UploadTarget, length: int | None, limits: Limits) -> "Span":
        """What the headers announce: without a Content-Range the whole file; ``length`` is the body's, if told."""
        span = cls(0, target.file.size)
        if part is not None:
            check_size(part.size, target)
            assert part.start is not None and part.stop is not None  # noqa: PT018 - a chunk has both
            span = cls(part.start, part.stop)
        if span.stop > target.file.size:
            raise PastTheEnd(span.stop, target.file.size)
        if max(len(span), length or 0) > limits.chunk:
            raise ChunkTooLarge(max(len(span), length or 0), limits.chunk)
        if length is not None and length != len(span):
            raise WrongLength(len(span), length)
        return span

    def missing(self, received: int) -> bool:
        """Whether some of these bytes are not here yet; ``Gap`` when even earlier ones are not."""
        if self.start > received:
            raise Gap(self.start, received)
        return self.stop > received


def check_size(size: int | None, target: UploadTarget) -> None:
    """Raise ``WrongSize`` when a request speaks of another size; None: it does not say."""
    if size is not None and size != target.file.size:
        raise WrongSize(target.file.size, size)
