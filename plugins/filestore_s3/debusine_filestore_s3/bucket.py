"""What can be asked of a bucket: plain blocking functions, one for each kind of request."""

import base64
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import botocore.exceptions as boto
from attrs import frozen
from urllib3.response import BaseHTTPResponse

from debusine.plugin import FileMissing, ObjectKey, StoredEntry, StoredObject, data_of, is_key
from debusine_filestore_s3.options import S3Options
from debusine_filestore_s3.slices import Slice
from debusine_filestore_s3.translation import NotUsable, Translation

#: Objects in one answer of a listing; S3 has no more.
PAGE = 1000

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@frozen
class Upload:
    """A multipart upload that was begun and has not come to an end."""

    key: ObjectKey
    upload_id: str
    initiated: datetime


@frozen
class Part:
    """A part that the server has."""

    number: int
    etag: str
    #: In base64; none: it was not sent.
    crc32: str | None
    size: int


class Bucket:
    """A bucket, or what in it begins with a prefix; its errors are the farm's."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.translation = Translation(options)
        self._making = threading.Lock()
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The one client of boto3; made when it is first needed, because that reads files."""
        with self._making:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def put(self, key: ObjectKey, body: "bytes | Slice", sha256: bytes) -> None:
        """Make an object in one go."""
        checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(sha256)} if self.options.checksums else {}
        with self._said(key):
            self.client.put_object(**self._at(key), Body=body, **checksum, **self._kind)

    def stat(self, key: ObjectKey) -> StoredObject:
        """Size and age of an object."""
        try:
            with self._said(key):
                found = self.client.head_object(**self._at(key))
        except FileMissing:
            self.look()  # where the whole bucket is missing, nothing is lost yet
            raise
        return StoredObject(size=found["ContentLength"], modified=found["LastModified"])

    def get(self, key: ObjectKey, first: int, last: int) -> tuple[BaseHTTPResponse, int]:
        """Begin to read the bytes from the first to the last one; and the size of the whole object.

        Whoever gets it closes it.
        """
        with self._said(key):
            answer = self.client.get_object(**self._at(key), Range=f"bytes={first}-{last}")
        raw: BaseHTTPResponse = answer["Body"].__enter__()  # what boto3 gives to whoever writes `with`
        try:
            return raw, self._size_of_whole(answer, first)
        except BaseException:
            raw.close()
            raise

    def delete(self, key: ObjectKey) -> None:
        """Let go of an object; nothing happens when there is none."""
        with self._said(key):
            self.client.delete_object(**self._at(key))

    def look(self) -> None:
        """See whether the bucket answers."""
        with self._said("anything"):
            self.client.list_objects_v2(Bucket=self.options.bucket, Prefix=self.options.prefix, MaxKeys=1)

    def page(self, token: str | None = None, *, beginning: str = "") -> tuple[list[StoredEntry], str | None]:
        """Some of the objects whose keys begin like this, and where the next ones are; None: these were the last."""
        place = {"Bucket": self.options.bucket, "Prefix": self.options.prefix + beginning}
        more = {"ContinuationToken": token} if token else {}
        with self._said("anything"):
            answer = self.client.list_objects_v2(**place, MaxKeys=PAGE, **more)
        entries = [entry for each in answer.get("Contents", ()) if (entry := self._entry(each))]
        return entries, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None

    def begin(self, key: ObjectKey) -> str:
        """Begin an object that comes in parts, and return the upload's id."""
        checksum = {"ChecksumAlgorithm": "CRC32"} if self.options.checksums else {}
        with self._said(key):
            answer = self.client.create_multipart_upload(**self._at(key), **checksum, **self._kind)
        upload_id: str = answer["UploadId"]
        if answer["ResponseMetadata"].get("RetryAttempts"):
            # The answer of one that was begun before may have been lost.
            self.abort_all(key, but=upload_id)
        return upload_id

    def put_part(self, key: ObjectKey, upload_id: str, number: int, body: Slice) -> Part:
        """Send a part; it takes the place of an earlier one of the same number."""
        crc32 = _base64(body.crc32().to_bytes(4, "big")) if self.options.checksums else None
        checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": crc32} if crc32 else {}
        with self._said(key):
            answer = self.client.upload_part(
                **self._at(key), UploadId=upload_id, PartNumber=number, Body=body, **checksum
            )
        return Part(number, answer["ETag"], crc32, len(body))

    def complete(self, key: ObjectKey, upload_id: str, parts: Sequence[Part]) -> None:
        """Make an object of the parts."""
        with self._said(key):
            self.client.complete_multipart_upload(
                **self._at(key), UploadId=upload_id, MultipartUpload={"Parts": [_named(part) for part in parts]}
            )

    def abort(self, key: ObjectKey, upload_id: str) -> None:
        """Let go of the parts; nothing happens when they are gone, or are an object by now."""
        try:
            with self._said(key):
                self.client.abort_multipart_upload(**self._at(key), UploadId=upload_id)
        except FileMissing:
            return

    def abort_all(self, key: ObjectKey, *, but: str | None = None) -> None:
        """Let go of the parts of all uploads of an object, perhaps but for one."""
        for upload in self.uploads(key):
            if upload.upload_id != but:
                self.abort(key, upload.upload_id)

    def uploads(self, beginning: str = "") -> Iterator[Upload]:
        """All uploads, of keys that begin like this, that have not come to an end."""
        place: dict[str, str] = {}
        while True:
            with self._said("anything"):
                answer = self.client.list_multipart_uploads(
                    Bucket=self.options.bucket, Prefix=self.options.prefix + beginning, **place
                )
            for each in answer.get("Uploads", ()):
                if (key := self._key(each["Key"])) is not None:
                    yield Upload(key, each["UploadId"], each["Initiated"])
            if not answer.get("IsTruncated"):
                return
            place = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def presigned(self, key: ObjectKey, content_disposition: str, content_type: str) -> str:
        """Where anybody can fetch the object for a while, with these headers."""
        headers = {"ResponseContentDisposition": content_disposition, "ResponseContentType": content_type}
        with self._said(key):
            url: str = self.client.generate_presigned_url(
                "get_object", Params={**self._at(key), **headers}, ExpiresIn=self.options.presigned_seconds
            )
        return url

    def close(self) -> None:
        """Let go of the connections; the next request makes new ones."""
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _new_client(self) -> Any:
        from debusine_filestore_s3.client import new_client  # boto3 is only for servers that have such a store

        try:
            return new_client(self.options)
        except (boto.BotoCoreError, ValueError) as error:
            raise NotUsable(f"{self.translation.bucket} cannot be used", detail=str(error)) from error

    def _said(self, what: str) -> Any:
        return self.translation.of_errors(what)

    def _at(self, key: ObjectKey) -> Mapping[str, str]:
        return {"Bucket": self.options.bucket, "Key": self.options.prefix + key}

    @property
    def _kind(self) -> Mapping[str, str]:
        """What new objects are to be."""
        kind = {
            "StorageClass": self.options.storage_class,
            "ServerSideEncryption": self.options.server_side_encryption,
            "SSEKMSKeyId": self.options.kms_key_id,
        }
        return {name: value for name, value in kind.items() if value is not None}

    def _entry(self, listed: Mapping[str, Any]) -> StoredEntry | None:
        key = self._key(listed["Key"])
        if key is None:
            return None
        return StoredEntry(data=data_of(key), size=listed["Size"], modified=listed["LastModified"])

    def _key(self, name: str) -> ObjectKey | None:
        """The key of an object of ours; None for all others."""
        key = name.removeprefix(self.options.prefix)
        return ObjectKey(key) if name.startswith(self.options.prefix) and is_key(key) else None

    def _size_of_whole(self, answer: Mapping[str, Any], first: int) -> int:
        """From ``Content-Range``; a server that sends the whole object instead of its end is not listened to."""
        found = _RANGE.fullmatch(answer.get("ContentRange", ""))
        if found is not None and int(found[1]) == first:
            return int(found[3])
        if found is None and first == 0:
            return int(answer["ContentLength"])
        raise self.translation.away("it sends other bytes than it was asked for")


def _named(part: Part) -> Mapping[str, Any]:
    checksum = {"ChecksumCRC32": part.crc32} if part.crc32 else {}
    return {"PartNumber": part.number, "ETag": part.etag, **checksum}


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
