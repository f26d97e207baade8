"""The client of boto3, as a store wants it.

Imported when a store is first used: boto3 takes 0.1 s and 10 MB, and every server imports this package.
"""

import logging
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from debusine.plugin import check_cancelled
from debusine_filestore_s3.options import S3Options
from debusine_filestore_s3.translation import CHANGED

#: How often a request is sent, at most.
ATTEMPTS = 4

#: Connections that are kept open; each reading has one of its own, so there may be many.
KEPT_CONNECTIONS = 256

#: Seconds before a request is sent again whose body was changed on its way, times the number of the attempt.
PAUSE = 0.1

#: Sessions make one client at a time.
_making = threading.Lock()


def new_client(options: S3Options) -> Any:
    """A client with the settings of a store; it may be used by many threads at the same time."""
    _silence()
    with _making:
        client = _session(options.profile).client(
            "s3",
            endpoint_url=options.endpoint_url,
            region_name=options.region,
            verify=str(options.ca_bundle) if options.ca_bundle else None,
            config=_config(options),
            **_credentials(options),
        )
    client.meta.events.register("before-send.s3", _stop_when_cancelled)
    client.meta.events.register("before-send.s3.UploadPart", _send_without_asking)
    client.meta.events.register("needs-retry.s3", _send_again_what_was_changed)
    return client


@cache
def _session(profile: str | None) -> Any:
    """What boto3 read of its files: stores share it, because it takes 0.1 s and 12 MB."""
    return boto3.session.Session(profile_name=profile)


def _credentials(options: S3Options) -> Mapping[str, str | None]:
    if options.access_key_id is None or options.secret_access_key is None:
        return {}
    return {
        "aws_access_key_id": options.access_key_id,
        "aws_secret_access_key": options.secret_access_key.reveal(),
        "aws_session_token": options.session_token.reveal() if options.session_token else None,
    }


def _config(options: S3Options) -> Config:
    return Config(
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=KEPT_CONNECTIONS,
        # Also the body, also over TLS: every server checks the signature, and few the other checksums.
        s3={"addressing_style": options.addressing, "payload_signing_enabled": True},
        signature_version="s3v4",
        # Ours are sent where they are wanted; what is read is checked by its hash, and some servers send the checksum
        # of the whole object with a part of it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Where the bytes are is said by the options alone, so that it cannot change unseen.
        ignore_configured_endpoint_urls=True,
        user_agent_appid="debusine",
    )


def _silence() -> None:
    """Keep session tokens and signatures out of the log of a server that logs everything."""
    for name in ("boto3", "botocore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def _stop_when_cancelled(**_: object) -> None:
    check_cancelled()


def _send_without_asking(request: Any, **_: object) -> None:
    """Wait for no ``100 Continue``: a part is welcome where its upload was begun, and a busy server takes its time."""
    request.headers.pop("Expect", None)


def _send_again_what_was_changed(response: Any, attempts: int, **_: object) -> float | None:
    """How long to wait before the next attempt, for errors that boto3 takes for final; None: as boto3 thinks."""
    if response is None or attempts >= ATTEMPTS:
        return None
    code = response[1].get("Error", {}).get("Code")
    return PAUSE * attempts if code in CHANGED else None
