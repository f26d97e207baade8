"""The headers that speak of parts of a file."""

import re

from attrs import frozen

from debusine.domain.errors import DebusineError, Invalid

_CONTENT_RANGE = re.compile(r"bytes +(?:(?P<start>\d{1,18})-(?P<end>\d{1,18})|\*)/(?:(?P<size>\d{1,18})|\*)", re.ASCII)
_RANGE = re.compile(r"bytes *= *(?P<first>\d{0,18}) *- *(?P<last>\d{0,18})", re.ASCII)
_RECEIVED = re.compile(r"bytes=(?P<start>\d+)-(?P<end>\d{1,18})", re.ASCII)


class InvalidContentRange(Invalid):
    """A Content-Range header is malformed or contradicts itself."""

    def __init__(self, value: str) -> None:
        super().__init__("Invalid Content-Range header", detail=f"got {value[:200]!r}")


class RangeNotSatisfiable(DebusineError):
    """A download asks for bytes that the file does not have (416)."""

    def __init__(self, size: int) -> None:
        super().__init__("The requested range is not in the file", detail=f"The file has {size} bytes")
        self.size = size


@frozen
class ContentRange:
    """What an upload's request carries: bytes ``start`` up to, not including, ``stop``; both None for a probe."""

    start: int | None
    stop: int | None
    #: Of the whole file in bytes; None when it was not told (``*``).
    size: int | None

    @property
    def probe(self) -> bool:
        """Whether the request only asks how far the upload is."""
        return self.start is None

    @classmethod
    def parse(cls, value: str) -> "ContentRange":
        """Read ``bytes START-END/SIZE`` or ``bytes */SIZE``; either size may be ``*``."""
        match = _CONTENT_RANGE.fullmatch(value.strip())
        if match is None:
            raise InvalidContentRange(value)
        size = int(match["size"]) if match["size"] else None
        if match["start"] is None:
            return cls(None, None, size)
        start, stop = int(match["start"]), int(match["end"]) + 1
        if stop <= start or (size is not None and stop > size):
            raise InvalidContentRange(value)
        return cls(start, stop, size)

    def __str__(self) -> str:
        size = "*" if self.size is None else self.size
        if self.start is None or self.stop is None:
            return f"bytes */{size}"
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def format_received(received: int) -> str:
    """The ``Range`` header of an answer to an upload: the number of bytes held, as an exclusive end."""
    return f"bytes=0-{received}"


def parse_received(value: str | None) -> int | None:
    """How many bytes a server holds by its ``Range`` header; None when it does not say."""
    match = _RECEIVED.fullmatch(value or "")
    return int(match["end"]) if match else None


def parse_range(value: str | None, size: int) -> tuple[int, int] | None:
    """The bytes (start, stop) that a download's ``Range`` asks for; None: all of it.

    A malformed header, another unit and several ranges are ignored, as HTTP allows; ``RangeNotSatisfiable`` when the
    file has no such bytes.
    """
    match = _RANGE.fullmatch((value or "").strip())
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        start, stop = max(0, size - int(match["last"])), size
    else:
        start = int(match["first"])
        stop = min(int(match["last"]) + 1, size) if match["last"] else size
        if match["last"] and int(match["last"]) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiable(size)
    return start, stop
