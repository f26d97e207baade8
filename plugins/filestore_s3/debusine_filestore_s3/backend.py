"""The file store backend ``s3``: a bucket of Amazon's S3, or of a server that speaks as it does."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from debusine.plugin import (
    Digest,
    File,
    FileMissing,
    FileStoreBackend,
    Finding,
    ObjectKey,
    StoreData,
    StoredEntry,
    StoredObject,
    Threads,
    Unavailable,
    data_of,
    in_thread,
    key_of,
    new_key,
    now,
)
from debusine_filestore_s3.bucket import Bucket, Part, Upload
from debusine_filestore_s3.examination import Examination
from debusine_filestore_s3.options import LARGEST_PART, MOST_PARTS, SMALLEST_PART, S3Options, address
from debusine_filestore_s3.preparation import Preparation
from debusine_filestore_s3.reading import Reader, Stream, wrong_size
from debusine_filestore_s3.uploads import Uploads

#: An upload that was begun longer ago than this, and of which nobody knows, was left behind by a crash.
ABANDONED = timedelta(days=1)


class S3FileStore(FileStoreBackend[S3Options]):
    """Keeps files in a bucket, each under a key of its own."""

    name = "s3"
    Options = S3Options
    place = ("endpoint_url", "bucket", "prefix")
    takes_parts = True
    smallest_part = SMALLEST_PART
    largest_part = LARGEST_PART
    most_parts = MOST_PARTS

    def __init__(self, options: S3Options) -> None:
        super().__init__(options)
        self._bucket = Bucket(options)
        self._threads = Threads(options.connections, "s3")
        self._uploads = Uploads(self._bucket, self._threads)

    @classmethod
    def place_of_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Server, bucket and prefix; a server may begin to speak TLS and still hold the same."""
        place = dict(super().place_of_options(options))
        return place | {"endpoint_url": address(place.get("endpoint_url"))}

    def shares_place_with(self, other: FileStoreBackend[Any]) -> bool:
        """Also when all keys of one begin as those of the other do."""
        ours, theirs = self.options, other.options
        prefixes = sorted([ours.prefix, theirs.prefix], key=len)
        return (
            address(ours.endpoint_url) == address(theirs.endpoint_url)
            and ours.bucket == theirs.bucket
            and prefixes[1].startswith(prefixes[0])
        )

    async def prepare(self) -> None:
        """List the bucket and write in it; nothing is made but an object that is removed again."""
        await self._threads.run(Preparation(self._bucket).run)

    async def probe(self) -> None:
        """List one object."""
        await self._threads.run(self._bucket.look)

    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        """Abort the uploads that were begun more than a day ago, but for those that are going on."""
        going_on = {(data.get("key"), data.get("upload")) for data in unfinished}
        return await self._threads.run(self._abort, going_on)

    async def examine(self) -> AsyncIterator[Finding]:
        """Try what the store relies on, each with an object of its own that is removed again."""
        examination = Examination(self._bucket)
        for question in examination.questions():
            yield await self._threads.run(question)

    async def store(self, file: File, source: Path) -> StoreData:
        """Send it in one go when it is small, else in parts, several at the same time."""
        key = new_key(file)
        await self._uploads.store(file, source, key)
        return data_of(key)

    async def begin_parts(self, file: File) -> StoreData:
        """Begin a multipart upload."""
        key = new_key(file)
        return data_of(key) | {"upload": await self._uploads.begin(key)}

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        """Send a part, with its checksum."""
        part = await self._uploads.send_part(source, key_of(data), data["upload"], number, start, length)
        return {"number": part.number, "etag": part.etag, "crc32": part.crc32, "size": part.size}

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        """Complete the upload, or find that it was completed."""
        sent = [Part(part["number"], part["etag"], part["crc32"], part["size"]) for part in parts]
        await self._uploads.finish(file, key_of(data), data["upload"], sent)
        return data_of(key_of(data))

    async def abandon_parts(self, file: File, data: StoreData) -> None:
        """Abort the upload."""
        await self._threads.run(self._bucket.abort, key_of(data), data["upload"])

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read through one connection, which is made anew when it breaks; all of an object is hashed on the way."""
        end = file.size if length is None else min(start + length, file.size)
        key = key_of(data)
        if start >= end:
            await self._check_size(file, key)
        whole = (start, end) == (0, file.size)
        stream = Stream(self._bucket, key, start, end, file.size)
        async with self._reader(stream, file.digest if whole else None) as chunks:
            yield chunks

    async def remove(self, file: File, data: StoreData) -> None:
        """See whether it is there, then delete it: the server would not say."""
        await self._threads.run(self._remove, key_of(data))

    async def stat(self, file: File, data: StoreData) -> StoredObject:
        """Ask the server."""
        return await self._threads.run(self._bucket.stat, key_of(data))

    async def entries(self) -> AsyncIterator[StoredEntry]:
        """List the objects; of those that are not ours, nothing is said."""
        token: str | None = None
        while True:
            entries, token = await self._threads.run(self._bucket.page, token)
            for entry in entries:
                yield entry
            if token is None:
                return

    async def download_url(
        self, file: File, data: StoreData, *, content_disposition: str, content_type: str
    ) -> str | None:
        """A signed URL that is good for a short while, if the options say so."""
        if not self.options.presigned_downloads:
            return None
        return await self._threads.run(self._bucket.presigned, key_of(data), content_disposition, content_type)

    async def verify(self, file: File, data: StoreData) -> Digest:
        """Read it all; twice, when it is not what it should be, because the way may have changed it."""
        found = await self._digest(key_of(data))
        return found if found == file.digest else await self._digest(key_of(data))

    async def aclose(self) -> None:
        """Close the connections and let go of the threads."""
        await in_thread(self._bucket.close)
        self._threads.close()

    @asynccontextmanager
    async def _reader(self, stream: Stream, expected: Digest | None) -> AsyncIterator[AsyncIterator[bytes]]:
        reader = Reader(self._threads, stream, expected)
        try:
            if stream.left:
                await reader.open()
            async with aclosing(reader.chunks()) as chunks:
                yield chunks
        finally:
            await reader.close()

    async def _digest(self, key: ObjectKey) -> Digest:
        size = (await self._threads.run(self._bucket.stat, key)).size
        stream = Stream(self._bucket, key, 0, size, size)
        async with self._reader(stream, None) as chunks:
            async for _ in chunks:
                pass
        return Digest(hash_digest=stream.running.digest(), size=size)

    async def _check_size(self, file: File, key: ObjectKey) -> None:
        found = await self._threads.run(self._bucket.stat, key)
        if found.size != file.size:
            raise wrong_size(key, found.size, file.size)

    def _remove(self, key: ObjectKey) -> None:
        self._bucket.stat(key)
        try:
            self._bucket.delete(key)
        except Unavailable:
            if not self._is_gone(key):
                raise

    def _is_gone(self, key: ObjectKey) -> bool:
        try:
            self._bucket.stat(key)
        except FileMissing:
            return True
        return False

    def _abort(self, going_on: Collection[tuple[Any, Any]]) -> int:
        left_behind = [upload for upload in self._bucket.uploads() if _is_left_behind(upload, going_on)]
        for upload in left_behind:
            self._bucket.abort(upload.key, upload.upload_id)
        return len(left_behind)


def _is_left_behind(upload: Upload, going_on: Collection[tuple[Any, Any]]) -> bool:
    return upload.initiated < now() - ABANDONED and (upload.key, upload.upload_id) not in going_on
