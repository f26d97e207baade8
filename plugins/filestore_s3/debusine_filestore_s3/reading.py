"""Reading: one stream of an object's bytes, through as many connections as it takes."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from debusine.plugin import Damaged, Digest, File, ObjectKey, Threads
from debusine_filestore_s3.bucket import Bucket

#: Bytes of a chunk: large, because each is one hop to a thread.
BLOCK = 1 << 20

#: How often the rest is asked for again when no byte came since the last time.
RESUMPTIONS = 5

#: Seconds before the second time; twice as long before each next one.
PAUSE = 0.1


class Interrupted(Exception):
    """The connection broke; what is left can be asked for again."""


class Stream:
    """The bytes of an object from one place to another; blocking, but for ``cut``."""

    def __init__(self, bucket: Bucket, key: ObjectKey, start: int, end: int, size: int) -> None:
        self.bucket = bucket
        self.key = key
        self.position = start
        self.end = end
        #: Of the whole object.
        self.size = size
        #: Of all that was read.
        self.running = hashlib.new(File.current_hash_algorithm)
        self._response: BaseHTTPResponse | None = None

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return max(0, self.end - self.position)

    def open(self) -> None:
        """Ask for what is left; ``Damaged`` when the object has another size than it should have."""
        self._response, size = self.bucket.get(self.key, self.position, self.end - 1)
        if size != self.size:
            self.close()
            raise wrong_size(self.key, size, self.size)

    def read(self) -> bytes:
        """The next block; ``Interrupted`` when it did not come, and may after another try."""
        if self._response is None:
            self.open()
        assert self._response is not None
        try:
            block = self._response.read(min(BLOCK, self.left))
        except (HTTPError, OSError, ValueError) as error:  # ValueError: it was cut in another thread
            block = b""
            self.close()
            raise Interrupted from error
        if not block:
            self.close()
            raise Interrupted
        self.position += len(block)
        self.running.update(block)
        return block

    def cut(self) -> None:
        """End a reading that waits for the server, from another thread."""
        if self._response is not None:
            with contextlib.suppress(Exception):  # it has just come to an end
                self._response.shutdown()

    def close(self) -> None:
        """Let go of the connection; it is kept for others when all was read."""
        response, self._response = self._response, None
        if response is not None:
            response.close()


class Reader:
    """Reads a stream block by block, one ahead of whoever wants them."""

    def __init__(self, threads: Threads, stream: Stream, expected: Digest | None) -> None:
        self.threads = threads
        self.stream = stream
        #: What all of it must be; None: it is not known.
        self.expected = expected

    async def open(self) -> None:
        """Ask for the bytes, if there are any to be read."""
        await self.threads.run(self.stream.open)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The blocks; the last one only when all of them together are what they should be."""
        ahead = self._begin()
        try:
            while ahead is not None:
                block = await asyncio.shield(ahead)
                ahead = self._begin()
                if ahead is None:
                    self._check()
                yield block
        finally:
            await self._end(ahead)

    async def close(self) -> None:
        """Let go of the connection."""
        await self.threads.run(self.stream.close)

    def _begin(self) -> "asyncio.Task[bytes] | None":
        return asyncio.create_task(self._block(), name="read ahead") if self.stream.left else None

    async def _block(self) -> bytes:
        for tried in range(RESUMPTIONS):
            with contextlib.suppress(Interrupted):
                return await self.threads.run(self.stream.read)
            await asyncio.sleep(PAUSE * 2**tried)
        try:
            return await self.threads.run(self.stream.read)
        except Interrupted as error:
            where = f"the connection breaks at byte {self.stream.position} again and again"
            raise self.stream.bucket.translation.away(where) from error

    async def _end(self, ahead: "asyncio.Task[bytes] | None") -> None:
        if ahead is None:
            return
        self.stream.cut()
        ahead.cancel()
        while not ahead.done():
            with contextlib.suppress(asyncio.CancelledError):  # the thread has the connection until it is done
                await asyncio.wait([ahead])
        if not ahead.cancelled():
            ahead.exception()  # nobody wants to know

    def _check(self) -> None:
        if self.expected is not None and self.stream.running.digest() != self.expected.hash_digest:
            raise Damaged(self.stream.key, "its bytes are not those that were stored")


def wrong_size(key: ObjectKey, size: int, expected: int) -> Damaged:
    """What it means when an object has another size."""
    return Damaged(key, f"it has {size} bytes instead of {expected}")
