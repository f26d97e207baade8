"""Uploads: objects that are whole or not there, whatever becomes of the answers."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from debusine.plugin import Damaged, DebusineError, File, FileMissing, ObjectKey, PartsGone, Threads, Unavailable
from debusine_filestore_s3.bucket import Bucket, Part
from debusine_filestore_s3.options import MOST_PARTS
from debusine_filestore_s3.slices import Slice, check_size
from debusine_filestore_s3.translation import NotUsable

#: Parts of one file that are on their way at the same time.
AT_ONCE = 4

#: Bytes; what is smaller is sent at once, without waiting for a turn or asking first whether it is welcome.
SMALL = 1 << 20

logger = logging.getLogger(__name__)


class Unknown(Unavailable):
    """Nobody says whether the object is there: it counts as not stored, and a sweep finds it if it is."""


class Uploads:
    """Puts files into a bucket."""

    def __init__(self, bucket: Bucket, threads: Threads) -> None:
        self.bucket = bucket
        self.threads = threads
        self._sending = asyncio.Semaphore(bucket.options.senders)

    async def store(self, file: File, source: Path, key: ObjectKey) -> None:
        """Make an object of a local file; when this raises, nothing of it stays."""
        await self.threads.run(check_size, source, file.size)
        if file.size <= self.bucket.options.part_size:
            await self._store_at_once(file, source, key)
        else:
            await self._store_in_parts(file, source, key)

    async def begin(self, key: ObjectKey) -> str:
        """Begin an object that comes in parts, and return the upload's id; when this raises, none was begun."""
        async with self._all_or_nothing(key):
            return await self.threads.run(self.bucket.begin, key)

    async def finish(self, file: File, key: ObjectKey, upload_id: str, parts: Sequence[Part]) -> None:
        """Make an object of parts; one that is there already is not made again.

        Without parts it must be there: servers refuse such a request before they look at anything.
        """
        if not parts:
            if not await self.is_whole(file, key):
                raise PartsGone(key)
            return
        try:
            await self.threads.run(self.bucket.complete, key, upload_id, parts)
        except (Unavailable, PartsGone):
            # It may have been made all the same, now or the last time. The key is of this upload alone.
            if not await self.is_whole(file, key):
                raise
        else:
            await self._check(file, key)

    async def is_whole(self, file: File, key: ObjectKey) -> bool:
        """Whether the object is there: it has its full size, or is not made at all; ``Unknown`` when nobody answers."""
        try:
            found = await self.threads.run(self.bucket.stat, key)
        except FileMissing:
            return False
        except Unavailable as error:
            raise Unknown(error.title, detail=error.detail) from error
        return found.size == file.size

    async def _store_at_once(self, file: File, source: Path, key: ObjectKey) -> None:
        async with self._all_or_nothing(key):
            try:
                await self._put(file, source, key)
            except NotUsable:
                raise
            except Unavailable:
                if not await self.is_whole(file, key):
                    raise

    async def _store_in_parts(self, file: File, source: Path, key: ObjectKey) -> None:
        async with self._all_or_nothing(key):
            upload_id = await self.threads.run(self.bucket.begin, key)
            parts = await self._send_parts(file, source, key, upload_id)
            await self.finish(file, key, upload_id, parts)

    @contextlib.asynccontextmanager
    async def _all_or_nothing(self, key: ObjectKey) -> AsyncIterator[None]:
        try:
            yield
        except Unknown:
            raise  # who does not answer cannot be asked to remove anything
        except BaseException:
            await self._discard(key)
            raise

    async def _send_parts(self, file: File, source: Path, key: ObjectKey, upload_id: str) -> list[Part]:
        pieces = pieces_of(file.size, self.bucket.options.part_size)
        parts: list[Part] = []

        async def send() -> None:
            for number, start, length in pieces:  # all take from one iterator
                parts.append(await self.send_part(source, key, upload_id, number, start, length))

        await all_of([send() for _ in range(AT_ONCE)])
        return sorted(parts, key=lambda part: part.number)

    async def send_part(
        self, source: Path, key: ObjectKey, upload_id: str, number: int, start: int, length: int
    ) -> Part:
        """Send bytes of a local file as a part, as soon as it is its turn."""

        def send() -> Part:
            with Slice(source, start, length) as body:
                return self.bucket.put_part(key, upload_id, number, body)

        async with self._sending:
            return await self.threads.run(send)

    async def _put(self, file: File, source: Path, key: ObjectKey) -> None:
        small = file.size <= SMALL

        def put() -> None:
            with Slice(source, 0, file.size) as body:
                self.bucket.put(key, body.read() if small else body, file.hash_digest)

        async with contextlib.nullcontext() if small else self._sending:
            await self.threads.run(put)

    async def _check(self, file: File, key: ObjectKey) -> None:
        found = await self.threads.run(self.bucket.stat, key)
        if found.size != file.size:
            await self._discard(key)
            raise Damaged(key, f"its parts have {found.size} bytes, not {file.size}")

    async def _discard(self, key: ObjectKey) -> None:
        """Let go of all that there may be of an object; what cannot be removed is found by a sweep."""
        try:
            await self.threads.run(self._remove_all, key)
        except DebusineError as error:
            logger.warning("What was stored of %s is left to the sweep: %s", key, error)

    def _remove_all(self, key: ObjectKey) -> None:
        self.bucket.abort_all(key)
        self.bucket.delete(key)


def pieces_of(size: int, part_size: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and length of each part of a file of so many bytes."""
    length = max(part_size, -(-size // MOST_PARTS))
    for number, start in enumerate(range(0, size, length), start=1):
        yield number, start, min(length, size - start)


async def all_of(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; when one fails or this is cancelled, end the others and wait until they have ended."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
