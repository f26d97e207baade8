"""JSON bodies: how much of them is held at a time, and how they become values without stalling everybody else."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from attrs import define

from debusine.domain.errors import TooLarge, Unavailable
from debusine.server.computing import Computing

T = TypeVar("T")

#: Bodies above this many bytes are read in a thread.
INLINE = 64 << 10


class BodyTooLarge(TooLarge):
    """A body has more bytes than the server reads."""

    def __init__(self, limit: int) -> None:
        super().__init__("The request's body is too large", detail=f"It may have {limit} bytes")


class TooManyBodies(Unavailable):
    """Others send so many large bodies just now that there is no room for this one."""

    def __init__(self) -> None:
        super().__init__("The server reads too many large requests just now", detail="Send it again in a moment")


@define(eq=False)
class JSONBodies:
    """The bodies that one process holds at a time."""

    #: Bytes, of all large ones together.
    most: int
    computing: Computing
    _held: int = 0

    @contextmanager
    def new(self) -> Iterator["JSONBody"]:
        """A body that counts until the block ends."""
        body = JSONBody(self)
        try:
            yield body
        finally:
            self._held -= body.counted

    def take(self, size: int) -> None:
        """Count some bytes more; ``TooManyBodies`` when there is no room for them."""
        if self._held + size > self.most:
            raise TooManyBodies
        self._held += size


@define(eq=False)
class JSONBody:
    """One body on its way in."""

    _bodies: JSONBodies
    #: Bytes; none of a small body: those are bounded by the number of connections.
    counted: int = 0

    async def read(self, chunks: AsyncIterator[bytes], limit: int) -> bytes:
        """All of it."""
        text = bytearray()
        async for chunk in chunks:
            text += chunk
            if len(text) > limit:
                raise BodyTooLarge(limit)
            if len(text) > INLINE:
                self._bodies.take(len(text) - self.counted)
                self.counted = len(text)
        return bytes(text)

    async def converted(self, convert: Callable[[bytes], T], text: bytes) -> T:
        """What becomes of it; of a large one in a thread."""
        if len(text) <= INLINE:
            return convert(text)
        return await self._bodies.computing.in_turn(partial(convert, text))
