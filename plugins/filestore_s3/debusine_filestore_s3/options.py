"""The settings of a store in an S3 bucket."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import attrs
from attrs import field, frozen

from debusine.plugin import Secret

MIB = 1 << 20

#: Parts that are sent at the same time, unless the options say otherwise.
SENDERS = 4

#: What S3 allows.
SMALLEST_PART, LARGEST_PART, MOST_PARTS = 5 * MIB, 5 << 30, 10_000
LONGEST_PRESIGNED = 7 * 24 * 3600

#: Objects of these have to be fetched from an archive first, which takes hours.
ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}

_PREFIX = re.compile(r"([0-9A-Za-z!_.*'()-]+/)*")
_BUCKET = re.compile(r"[0-9A-Za-z._-]{3,255}")


def _bucket(_instance: object, _attribute: object, value: str) -> None:
    if not _BUCKET.fullmatch(value):
        message = f"{value!r} is not the name of a bucket."
        raise ValueError(message)


def _prefix(_instance: object, _attribute: object, value: str) -> None:
    if not _PREFIX.fullmatch(value) or len(value) > 500 or {".", ".."}.intersection(value.split("/")):
        message = f"prefix must be empty or like 'debusine/', names each followed by a slash, not {value!r}."
        raise ValueError(message)


def _endpoint(_instance: object, _attribute: object, value: str | None) -> None:
    if value is None:
        return
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"endpoint_url must be like 'https://s3.example.org', not {value!r}."
        raise ValueError(message)
    if parts.username is not None or parts.query or parts.fragment:
        message = "endpoint_url has no user, password, query or fragment; credentials are options of their own."
        raise ValueError(message)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises when it is none
    except ValueError:
        return None
    return parts


def _storage_class(_instance: object, _attribute: object, value: str | None) -> None:
    if value in ARCHIVES:
        message = f"objects of the class {value} cannot be read at once; choose another storage_class."
        raise ValueError(message)


def _between(least: float, most: float, unit: str) -> Any:
    def check(_instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
        if not least <= value <= most:
            message = f"{attribute.name} must be from {least} to {most} {unit}, not {value}."
            raise ValueError(message)

    return check


@frozen(kw_only=True)
class S3Options:
    """Where the bucket is, who comes to it, and how."""

    bucket: str = field(validator=_bucket)
    #: What the keys of all objects begin with, for instance ``debusine/``. Of this store alone.
    prefix: str = field(default="", validator=_prefix)
    #: Where the server is; none: Amazon's.
    endpoint_url: str | None = field(default=None, validator=_endpoint)
    #: The bucket's; none: what boto3's own configuration says, else ``us-east-1``.
    region: str | None = None
    #: Whether the bucket's name stands in the path or in the host name of URLs. ``auto``: in the path with an
    #: ``endpoint_url``, else as Amazon wants it.
    addressing: Literal["auto", "path", "virtual"] = "auto"
    #: Of new objects; none: the bucket's default.
    storage_class: str | None = field(default=None, validator=_storage_class)
    #: How the server encrypts new objects; none: as the bucket's default says.
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    #: With which key of the key management service; none: its default.
    kms_key_id: str | None = None

    #: These three: whose rights are used. None: the first that boto3 finds in the environment, in its configuration
    #: files, or from the machine's role.
    access_key_id: str | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    #: A profile of boto3's configuration files.
    profile: str | None = None
    #: A file with the certificates of those who may vouch for the server; none: boto3's own list.
    ca_bundle: Path | None = None

    #: Whether clients are sent to the bucket to fetch files there.
    presigned_downloads: bool = False
    #: Seconds for which such an address can be used.
    presigned_seconds: int = field(default=300, validator=_between(1, LONGEST_PRESIGNED, "seconds"))

    #: Bytes; what is larger goes in parts of this size, or of a larger one where there would be too many.
    part_size: int = field(default=16 * MIB, validator=_between(SMALLEST_PART, LARGEST_PART, "bytes"))
    #: How many requests are on their way at the same time; the others wait.
    connections: int = field(default=16, validator=_between(1, 256, "connections"))
    #: How many of them may send a part, or another body of more than a MiB: each keeps a processor busy for its
    #: checksums, and the more there are, the longer everybody else waits for the interpreter.
    senders: int = field(default=SENDERS, validator=_between(1, 64, "senders"))
    #: Whether checksums are sent that the server keeps; the signature covers the content in any case.
    checksums: bool = True
    #: Seconds for a connection to be made, and for each answer to begin and to go on.
    connect_timeout: float = field(default=5.0, validator=_between(0.1, 600, "seconds"))
    read_timeout: float = field(default=60.0, validator=_between(0.1, 3600, "seconds"))

    def __attrs_post_init__(self) -> None:
        """See that what belongs together is there."""
        if (self.access_key_id is None) is not (self.secret_access_key is None):
            message = "access_key_id and secret_access_key must be set both or not at all."
            raise ValueError(message)
        if self.session_token is not None and self.access_key_id is None:
            message = "session_token needs access_key_id and secret_access_key."
            raise ValueError(message)
        if self.profile is not None and self.access_key_id is not None:
            message = "profile and access_key_id exclude each other."
            raise ValueError(message)
        if self.kms_key_id is not None and not (self.server_side_encryption or "").startswith("aws:kms"):
            message = 'kms_key_id needs server_side_encryption = "aws:kms".'
            raise ValueError(message)


def address(endpoint_url: str | None) -> str | None:
    """Which server an endpoint is, however it is written and whether by http or https; None: Amazon's."""
    if endpoint_url is None:
        return None
    parts = urlsplit(endpoint_url)
    port = f":{parts.port}" if parts.port not in {None, 80, 443} else ""
    return f"{parts.hostname}{port}{parts.path.rstrip('/')}"
