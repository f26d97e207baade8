"""Fixtures of S3 servers, for all tests.

Imported at the start of every run, and so imports boto3 only when a test asks for a server.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.s3.servers import S3Server, Swift


@pytest.fixture(scope="session")
def only_the_loopback() -> Iterator[None]:
    """Let boto3 find no credentials, no settings and no proxy but those of a test, and ask no machine's role."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AWS_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        patch.setenv("NO_PROXY", "*")
        yield


@pytest.fixture(scope="session")
def swift(only_the_loopback: None) -> "Iterator[Swift]":
    """One Swift for the session, started when the first test asks for it."""
    from tests.s3.servers import CannotStartS3, running_swift

    try:
        with running_swift() as server:
            yield server
    except CannotStartS3 as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def moto(only_the_loopback: None) -> "Iterator[S3Server]":
    """One moto for the session, started when the first test asks for it."""
    from tests.s3.servers import CannotStartS3, running_moto

    try:
        with running_moto() as server:
            yield server
    except CannotStartS3 as error:
        pytest.skip(str(error))
