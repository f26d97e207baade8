"""Cursors: places in a list that is ordered by falling ids, in a form that clients pass back as it is."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from attrs import frozen

from debusine.domain.errors import Invalid

_FORM = re.compile(r"v1:(?P<last>\d{1,18}):(?P<direction>next|prev)", re.ASCII)


class InvalidCursor(Invalid):
    """A cursor was not made by this server."""

    def __init__(self, text: str) -> None:
        super().__init__("Invalid cursor", detail=f"got {text[:200]!r}; follow 'next' and 'previous' as they are")


@frozen
class Cursor:
    """A place behind one id; the list goes on from there to older things, or ``back`` to newer ones."""

    last: int
    back: bool = False

    def __str__(self) -> str:
        text = f"v1:{self.last}:{'prev' if self.back else 'next'}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor back; ``InvalidCursor`` when it is not one."""
        try:
            plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        except ValueError as error:
            raise InvalidCursor(text) from error
        match = _FORM.fullmatch(plain)
        if match is None:
            raise InvalidCursor(text)
        return cls(int(match["last"]), back=match["direction"] == "prev")
