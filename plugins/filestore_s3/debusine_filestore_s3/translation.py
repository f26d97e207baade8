"""The errors of boto3 and of the server in the farm's words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import botocore.exceptions as boto
from attrs import frozen
from urllib3.exceptions import HTTPError

from debusine.plugin import DebusineError, FileMissing, Invalid, PartsGone, StorageFull, Unavailable
from debusine_filestore_s3.options import S3Options

#: The server has no room, by code; each server has its own.
FULL = {"EntityTooLarge", "QuotaExceeded", "ServiceQuotaExceeded", "StorageFull", "XMinioStorageFull"}
FULL |= {"XMinioAdminBucketQuotaExceeded"}

#: What arrived is not what was sent: it is worth sending again.
CHANGED = {
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}

#: The answers to a HEAD have no body, so that the status must do.
MISSING = {"HeadObject": {"404", "NoSuchKey"}}
DENIED = {"403", "AccessDenied", "AllAccessDisabled", "Forbidden"}

#: What the operator has to do, by code. ``{right}`` is the one that the request needs.
MENDING = {
    "AuthorizationHeaderMalformed": 'the bucket is in another region than {region}; set region = "{other_region}"',
    "ExpiredToken": "session_token has expired; set a new one",
    "ExpiredTokenException": "session_token has expired; set a new one",
    "IllegalLocationConstraintException": "the bucket is in another region than {region}; set region to the bucket's",
    "InvalidAccessKeyId": "the server does not know the access key; set access_key_id and secret_access_key_file",
    "InvalidBucketName": "the server says that a bucket cannot have this name; set bucket",
    "InvalidObjectState": "the object is in an archive; restore it there, and choose another storage_class",
    "InvalidStorageClass": "the server has no storage class {storage_class}; set another storage_class, or none",
    "InvalidToken": "the server does not know session_token; set a new one",
    "KMS.NotFoundException": "the server has no key {kms_key_id}; set kms_key_id",
    "NoSuchBucket": "there is no such bucket; make it, or set bucket",
    "NotImplemented": "the server cannot do {operation} in the way that it was asked; set checksums = false",
    "PermanentRedirect": "the bucket is in another region than {region}; set region to the bucket's",
    "301": "the bucket is in another region than {region}; set region to the bucket's",
    "RequestTimeTooSkewed": "the clocks of this machine and of the server are too far apart; set the one that is wrong",
    "SignatureDoesNotMatch": "access key and secret key do not fit; set access_key_id and secret_access_key_file",
    "TokenRefreshRequired": "session_token has expired; set a new one",
}

#: What an operation needs to be allowed.
RIGHTS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
}
WRITING = "s3:PutObject"

NOT_S3 = "what answers there does not speak S3; set endpoint_url"

CONNECTING: Mapping[type[Exception], str] = {
    boto.ConnectTimeoutError: "it does not answer in time",
    boto.ReadTimeoutError: "it does not answer in time",
    boto.EndpointConnectionError: "nobody answers there",
    boto.ProxyConnectionError: "the proxy of this machine's environment cannot be used",
    boto.ConnectionClosedError: "it closed the connection without an answer",
    boto.NoCredentialsError: "there are no credentials; set access_key_id and secret_access_key_file, or profile",
    boto.PartialCredentialsError: "a part of the credentials is missing; set access_key_id and secret_access_key_file",
}

#: Of these, no time mends anything.
_FOR_THE_OPERATOR = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ParamValidationError)


class NotUsable(Unavailable):
    """The bucket cannot be used before the operator has mended something; the detail says what."""


class Silent(Unavailable):
    """Whoever listens there closes connections without a word."""


@frozen
class Translation:
    """Says what went wrong with a bucket."""

    options: S3Options

    @property
    def bucket(self) -> str:
        """The bucket, as it is named in messages."""
        return f"The bucket {self.options.bucket} at {self.options.endpoint_url or 'Amazon S3'}"

    @contextmanager
    def of_errors(self, what: str) -> Iterator[None]:
        """Say what it means for the farm that something went wrong with an object."""
        from botocore.parsers import ResponseParserError  # boto3 is only for servers that have such a store

        try:
            yield
        except boto.ClientError as error:
            raise self.of_answer(error, what) from error
        except boto.BotoCoreError as error:
            raise self.of_connecting(error) from error
        except ResponseParserError as error:
            raise self._not_usable(NOT_S3) from error
        except (HTTPError, OSError) as error:
            raise self.away(f"the connection broke ({type(error).__name__})") from error

    def of_answer(self, error: "boto.ClientError", what: str) -> DebusineError:
        """What the server's refusal means."""
        code = code_of(error)
        if code in FULL or status_of(error) == HTTPStatus.INSUFFICIENT_STORAGE:
            return StorageFull(f"{self.bucket} has no room for {what}")
        return _of_object(code, error.operation_name, what) or self._of_bucket(code, error)

    def of_connecting(self, error: "boto.BotoCoreError") -> DebusineError:
        """What it means that there was no answer."""
        cause = error.kwargs.get("error") if hasattr(error, "kwargs") else None
        if isinstance(cause, DebusineError):
            return cause  # of what was to be sent
        if isinstance(error, boto.SSLError):
            return self._of_tls(str(cause))
        if isinstance(error, boto.ConnectionClosedError):
            return Silent(self._sentence, detail=CONNECTING[boto.ConnectionClosedError])
        said = next((text for kind, text in CONNECTING.items() if isinstance(error, kind)), None)
        if isinstance(error, _FOR_THE_OPERATOR):
            return self._not_usable(said or " ".join(str(error).split()))
        return self.away(said or f"the connection broke ({type(cause or error).__name__})")

    def away(self, reason: str) -> Unavailable:
        """Time may help."""
        return Unavailable(self._sentence, detail=reason)

    def _of_bucket(self, code: str, error: "boto.ClientError") -> Unavailable:
        operation = error.operation_name
        if code in DENIED:
            return self._not_usable(f"{operation} is not allowed; allow {RIGHTS.get(operation, WRITING)}")
        if code in MENDING:
            return self._not_usable(MENDING[code].format(**self._facts(error)))
        if code.startswith("4"):
            # A status instead of a code: a balancer or a web server, which knows nothing of what is lost.
            return self._not_usable(NOT_S3)
        return self.away(_told(code, error))

    @property
    def _sentence(self) -> str:
        return f"{self.bucket} cannot be used just now"

    def _of_tls(self, told: str) -> Unavailable:
        if "CERTIFICATE_VERIFY_FAILED" in told:
            return self._not_usable(
                "nobody who is trusted here vouches for its certificate; name its authority's certificate in ca_bundle"
            )
        if "doesn't match" in told or "not valid for" in told:
            return self._not_usable("its certificate is for another name; set endpoint_url to the name that it has")
        if any(sign in told for sign in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")):
            return self._not_usable("it speaks http, not https; set endpoint_url to http://…")
        return self.away("TLS with it failed")

    def _not_usable(self, reason: str) -> NotUsable:
        return NotUsable(self._sentence, detail=reason)

    def _facts(self, error: "boto.ClientError") -> Mapping[str, Any]:
        return {
            "region": self.options.region or "the default",
            "other_region": error.response.get("Error", {}).get("Region", "…"),
            "storage_class": self.options.storage_class,
            "kms_key_id": self.options.kms_key_id,
            "operation": error.operation_name,
        }


def _of_object(code: str, operation: str, what: str) -> DebusineError | None:
    if code in MISSING.get(operation, {"NoSuchKey"}):
        return FileMissing(what)
    if code == "NoSuchUpload":
        return PartsGone(what)
    if code in {"InvalidPart", "InvalidPartOrder"}:
        return PartsGone(f"a part of {what}")
    if code == "EntityTooSmall":
        return Invalid(f"A part of {what} is too small: all but the last must have 5 MiB at least")
    return None


def code_of(error: "boto.ClientError") -> str:
    """The server's name for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: "boto.ClientError") -> int:
    """The status of the answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _told(code: str, error: "boto.ClientError") -> str:
    if code in CHANGED:
        return "what arrives there is not what was sent"
    return f"it answers {code or status_of(error)} to {error.operation_name}"
