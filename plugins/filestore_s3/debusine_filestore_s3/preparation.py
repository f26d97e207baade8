"""What is looked at when a store starts: whether the bucket can be used, and else what has to be done."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from debusine.plugin import ConfigurationError, File, new_key
from debusine_filestore_s3.bucket import Bucket
from debusine_filestore_s3.translation import NotUsable, Silent

NOTHING = File(sha256=hashlib.sha256(b"").digest(), size=0)

#: How the server says that a bucket is elsewhere; boto3 then goes there in silence, with two requests for each one.
ELSEWHERE = {"301", "400", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}


class Preparation:
    """Lists a bucket and writes in it, once; blocking."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.options = bucket.options
        #: Where the bucket is, if the server said that it is elsewhere.
        self.other_region: str | None = None

    def run(self) -> None:
        """``ConfigurationError`` says what the operator has to do; ``Unavailable``, that time may help."""
        self._check_ca_bundle()
        try:
            with self._listening():
                self.bucket.look()
            self._write()
        except NotUsable as error:
            raise self._refusal(error.detail or "") from error
        except Silent as error:
            if not self._speaks_tls():
                raise
            raise self._refusal("it speaks https, not http; set endpoint_url to https://…") from error
        if self.options.region and self.other_region not in {None, self.options.region}:
            raise self._refusal(f'it is in the region {self.other_region}; set region = "{self.other_region}"')

    def _write(self) -> None:
        key = new_key(NOTHING)
        self.bucket.put(key, b"", NOTHING.hash_digest)
        self.bucket.delete(key)

    def _check_ca_bundle(self) -> None:
        path = self.options.ca_bundle
        try:
            if path is not None:
                ssl.create_default_context(cafile=path)
        except OSError as error:  # among them ssl.SSLError
            reason = "it has no certificates" if isinstance(error, ssl.SSLError) else error.strerror
            raise self._refusal(f"ca_bundle {path} cannot be used: {reason}") from error

    @contextmanager
    def _listening(self) -> Iterator[None]:
        events = self.bucket.client.meta.events
        events.register_first("needs-retry.s3", self._note_region)
        try:
            yield
        finally:
            events.unregister("needs-retry.s3", self._note_region)

    def _note_region(self, response: Any, **_: object) -> None:
        if response is None:
            return
        error, headers = response[1].get("Error", {}), response[1]["ResponseMetadata"].get("HTTPHeaders", {})
        if error.get("Code") in ELSEWHERE:
            self.other_region = error.get("Region") or headers.get("x-amz-bucket-region")

    def _speaks_tls(self) -> bool:
        parts = urlsplit(self.options.endpoint_url or "")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # only to see whether there is one; nothing is said to it
        place = (parts.hostname or "", parts.port or 80)
        try:
            with socket.create_connection(place, self.options.connect_timeout) as connection:
                context.wrap_socket(connection).close()
        except OSError:
            return False
        return True

    def _refusal(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self.bucket.translation.bucket} cannot be used: {reason}")
