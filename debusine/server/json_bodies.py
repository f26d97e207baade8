"""JSON bodies: how much of them is held at a time, and how they become values without stalling everybody else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from attrs import define, field

from debusine.domain.errors import TooLarge, Unavailable

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

    #: Bytes, of all of them together.
    most: int
    _held: int = 0
    #: One after the other: threads that compute take the interpreter from the event loop, several of them for long.
    _turn: asyncio.Lock = field(factory=asyncio.Lock)

    @contextmanager
    def new(self) -> Iterator["JSONBody"]:
        """A body that counts until the block ends."""
        body = JSONBody(self)
        try:
            yield body
        finally:
            self._held -= body.size

    def take(self, size: int) -> None:
        """Count some bytes more; ``TooManyBodies`` when there is no room for them."""
        if self._held + size > self.most:
            raise TooManyBodies
        self._held += size

    async def converted(self, convert: Callable[[bytes], T], text: bytes) -> T:
        """What becomes of a body; a large one is converted in a thread."""
        if len(text) <= INLINE:
            return convert(text)
        async with self._turn:
            return await asyncio.to_thread(convert, text)


@define(eq=False)
class JSONBody:
    """One body on its way in."""

    _bodies: JSONBodies
    #: Bytes that were counted.
    size: int = 0

    async def read(self, chunks: AsyncIterator[bytes], limit: int) -> bytes:
        """All of it."""
        text = bytearray()
        async for chunk in chunks:
            text += chunk
            if len(text) > limit:
                raise BodyTooLarge(limit)
            self._count(len(text))
        return bytes(text)

    def _count(self, size: int) -> None:
        if size > INLINE:  # small ones are bounded by the number of connections
            self._bodies.take(size - self.size)
            self.size = size
