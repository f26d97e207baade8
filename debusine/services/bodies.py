"""Bodies: what a client sends, taken in large blocks and never held whole."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial

from attrs import define

from debusine.domain.errors import DebusineError
from debusine.plugin import in_thread
from debusine.services.partial_files import BytesLost, PartialFile
from debusine.services.spans import WrongLength
from debusine.services.turns import Turn

#: Bytes that go to a thread in one hop. An upload holds four times as many, and there may be many uploads.
BLOCK = 512 << 10


@define(eq=False)
class Body:
    """The bytes of one request as they come."""

    #: Raises when the client is too slow or gone.
    chunks: AsyncIterator[bytes]
    #: As announced by the request; None: it ends when it ends.
    length: int | None = None

    async def drain(self, expected: int) -> None:
        """Read what is not needed; ``WrongLength`` when it is not as long as announced."""
        taken = 0
        async for chunk in self.chunks:
            taken += len(chunk)
            if taken > expected:
                break
        if taken != expected:
            raise WrongLength(expected, taken)

    async def whole(self, expected: int, *, turn: Turn) -> bytes:
        """All of it, for a body that may be held in memory; ``WrongLength`` when it is not as long as announced."""
        content = b"".join(await turn.unless_overtaken(partial(self._block, expected)))
        if len(content) != expected:
            raise WrongLength(expected, len(content))
        return content

    async def fill(
        self,
        file: PartialFile,
        expected: int,
        *,
        skip: int,
        turn: Turn,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """Append all but the first ``skip`` bytes to a partial file, and call ``told`` whenever more of it is there.

        One block is written and hashed in a thread while the next one comes in. Whatever happens, no thread writes
        any more when this returns or raises.
        """

        async def write(parts: Sequence[bytes | memoryview]) -> None:
            await in_thread(file.write, parts)
            told()

        writing: asyncio.Task[None] | None = None
        taken = 0
        try:
            while taken < expected:
                block = await turn.unless_overtaken(partial(self._block, expected - taken))
                taken += sum(map(len, block))
                _check_progress(block, taken, expected)
                parts, skip = _without(block, skip)
                if writing is not None:
                    await writing
                if taken == expected:
                    return await write(parts)
                writing = asyncio.create_task(write(parts))
        finally:
            if writing is not None:
                with suppress(DebusineError, BytesLost, OSError):
                    await writing

    async def _block(self, wanted: int) -> list[bytes]:
        """The next chunks, about a block of them; none at the end. The last one is read up to the body's end."""
        block: list[bytes] = []
        size = 0
        async for chunk in self.chunks:
            block.append(chunk)
            size += len(chunk)
            if BLOCK <= size < wanted or size > wanted:
                break
        return block


def _check_progress(block: Sequence[bytes], taken: int, expected: int) -> None:
    if taken > expected or not block:
        raise WrongLength(expected, taken)


def _without(block: Sequence[bytes], skip: int) -> tuple[list[bytes | memoryview], int]:
    """A block without its first bytes, and how many are still to be skipped in the next."""
    kept: list[bytes | memoryview] = []
    for part in block:
        if skip < len(part):
            kept.append(memoryview(part)[skip:] if skip else part)
        skip = max(0, skip - len(part))
    return kept, skip
