"""Questions to a server: whether it does what a store relies on."""

import hashlib
import ssl
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from debusine.plugin import DebusineError, File, Finding, Grade, ObjectKey, Unavailable, new_key
from debusine_filestore_s3.bucket import Bucket
from debusine_filestore_s3.slices import Slice
from debusine_filestore_s3.translation import NotUsable

CONTENT = b"debusine examines this store"
FILE = File(sha256=hashlib.sha256(CONTENT).digest(), size=len(CONTENT))

#: What a presigned URL must give, in the order of ``download_url``.
HEADERS = ('attachment; filename="examined.deb"', "application/vnd.debian.binary-package")

#: Asks, and says what is not as it should be.
Check = Callable[[ObjectKey], str | None]


class Examination:
    """Asks a server with small objects of its own, and removes them again; blocking."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.options = bucket.options

    def questions(self) -> Iterator[Callable[[], Finding]]:
        """Each asks one thing and says what came of it."""
        ask = partial(partial, self._ask)
        yield ask("a request with a wrong signature is refused", self._wrong_signature, Grade.WRONG)
        yield ask("content that is changed on its way is refused", self._changed_content, Grade.LACKING)
        if self.options.checksums:
            yield ask("content with a wrong checksum is refused", self._wrong_checksum, Grade.LACKING)
        yield ask("a part of an object can be read", self._range, Grade.WRONG)
        yield ask("an object is listed as soon as it is stored", self._listing, Grade.WRONG)
        yield ask("an object can be put together from parts", self._parts, Grade.WRONG)
        yield ask("an upload that is aborted leaves nothing", self._abort, Grade.WRONG)
        if self.options.presigned_downloads:
            yield ask("a signed URL gives the file with its headers", self._presigned, Grade.WRONG)
            yield ask("a signed URL that was changed is refused", self._changed_url, Grade.WRONG)

    def _ask(self, what: str, check: Check, otherwise: Grade) -> Finding:
        try:
            with self._trial() as key:
                complaint = check(key)
        except DebusineError as error:
            return Finding(what=what, grade=Grade.WRONG, detail=str(error))
        return Finding(what=what, grade=otherwise if complaint else Grade.GOOD, detail=complaint or "")

    @contextmanager
    def _trial(self) -> Iterator[ObjectKey]:
        key = new_key(FILE)
        try:
            yield key
        finally:
            self.bucket.abort_all(key)
            self.bucket.delete(key)

    def _wrong_signature(self, _: ObjectKey) -> str | None:
        def spoil(request: Any, **_: object) -> None:
            signed = request.headers["Authorization"]
            signed = signed.decode() if isinstance(signed, bytes) else signed
            request.headers["Authorization"] = signed[:-1] + ("0" if signed[-1] != "0" else "1")

        with self._spoiling(spoil) as bucket:
            try:
                bucket.look()
            except NotUsable:
                return None
        return "whoever reaches the server may read and write; turn its authentication on"

    def _changed_content(self, key: ObjectKey) -> str | None:
        def spoil(request: Any, **_: object) -> None:
            request.body = CONTENT.swapcase()

        with self._spoiling(spoil) as bucket:
            return _accepted(lambda: bucket.put(key, CONTENT, FILE.hash_digest), "let nothing but TLS lead to it")

    def _wrong_checksum(self, key: ObjectKey) -> str | None:
        wrong = hashlib.sha256(b"").digest()
        return _accepted(lambda: self.bucket.put(key, CONTENT, wrong), "it does not look at checksums")

    def _range(self, key: ObjectKey) -> str | None:
        self._store(key)
        response, size = self.bucket.get(key, 2, 5)
        try:
            got = response.read(len(CONTENT))
        finally:
            response.close()
        return None if (got, size) == (CONTENT[2:6], len(CONTENT)) else f"of bytes 2 to 5 it gave {len(got)} others"

    def _listing(self, key: ObjectKey) -> str | None:
        self._store(key)
        entries, _ = self.bucket.page(beginning=key)
        return None if [entry.size for entry in entries] == [len(CONTENT)] else "files that are there would seem lost"

    def _parts(self, key: ObjectKey) -> str | None:
        upload_id = self.bucket.begin(key)
        part = self._send(key, upload_id)
        self.bucket.complete(key, upload_id, [part])
        size = self.bucket.stat(key).size
        return None if size == len(CONTENT) else f"of {len(CONTENT)} bytes it made an object of {size}"

    def _abort(self, key: ObjectKey) -> str | None:
        upload_id = self.bucket.begin(key)
        self._send(key, upload_id)
        if [upload.upload_id for upload in self.bucket.uploads(key)] != [upload_id]:
            return "uploads that are not finished are not listed, so that nobody can clear them away"
        self.bucket.abort(key, upload_id)
        return "it is still listed and takes room" if list(self.bucket.uploads(key)) else None

    def _presigned(self, key: ObjectKey) -> str | None:
        self._store(key)
        status, headers, got = self._fetch(self.bucket.presigned(key, *HEADERS))
        if (status, got) != (200, CONTENT):
            return f"it answers {status} and {len(got)} bytes"
        if (headers.get("Content-Disposition"), headers.get("Content-Type")) != HEADERS:
            return "it does not send Content-Disposition and Content-Type as it was asked to"
        return None

    def _changed_url(self, key: ObjectKey) -> str | None:
        self._store(key)
        status, _, _ = self._fetch(self.bucket.presigned(key, *HEADERS).replace("examined.deb", "other.html"))
        return f"it answers {status}, so that whoever gets a URL may change it" if status < 400 else None

    def _store(self, key: ObjectKey) -> None:
        self.bucket.put(key, CONTENT, FILE.hash_digest)

    def _send(self, key: ObjectKey, upload_id: str) -> Any:
        with tempfile.NamedTemporaryFile() as source:
            source.write(CONTENT)
            source.flush()
            with Slice(Path(source.name), 0, len(CONTENT)) as body:
                return self.bucket.put_part(key, upload_id, 1, body)

    @contextmanager
    def _spoiling(self, spoil: Callable[..., None]) -> Iterator[Bucket]:
        """The same bucket by a client of its own, whose requests are changed after they were signed."""
        bucket = Bucket(self.options)
        try:
            bucket.client.meta.events.register("before-send.s3", spoil)
            yield bucket
        finally:
            bucket.close()

    def _fetch(self, url: str) -> tuple[int, Any, bytes]:
        context = ssl.create_default_context(cafile=self.options.ca_bundle)
        try:
            with urllib.request.urlopen(url, timeout=self.options.read_timeout, context=context) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()
        except OSError as error:
            raise self.bucket.translation.away(f"its signed URL cannot be fetched ({type(error).__name__})") from error


def _accepted(put: Callable[[], None], advice: str) -> str | None:
    try:
        put()
    except Unavailable:
        return None
    return f"it was accepted: {advice}"
