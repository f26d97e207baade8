"""An OpenStack Swift for one farm, as tests have it, with a bucket that is the farm's only store."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.measured import CannotMeasure
from benchmarks.server import Server
from tests.s3.servers import SECRET_KEY, CannotStartS3, running_swift

CONFIGURATION = """
[stores.Default]
backend = "s3"
[stores.Default.options]
{options}
secret_access_key_file = "{secret}"
"""


@contextmanager
def in_swift(directory: Path) -> Iterator[str]:
    """What a server is configured with whose store is a new bucket; `CannotMeasure` where Swift is not installed."""
    # It is beside us, so what this machine has between itself and the world is passed by.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    secret = directory / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET_KEY)
    try:
        with running_swift() as swift:
            settings = swift.http.settings(swift.http.new_bucket())
            options = "\n".join(f'{name} = "{value}"' for name, value in settings.items())
            yield CONFIGURATION.format(options=options, secret=secret)
    except CannotStartS3 as error:
        raise CannotMeasure("S3", str(error)) from error


def bucket_of(server: Server) -> Mapping[str, Any]:
    """Where a server's store is, and who may write there, as `client_of` wants it."""
    options = server.settings.all_stores["Default"].options
    names = ("bucket", "endpoint_url", "region", "access_key_id")
    return {name: options[name] for name in names} | {"secret_access_key": SECRET_KEY}


def client_of(place: Mapping[str, Any]) -> Any:
    """A client of boto3 as it is without settings, but for where it goes."""
    return boto3.client(
        "s3",
        endpoint_url=place["endpoint_url"],
        region_name=place["region"],
        aws_access_key_id=place["access_key_id"],
        aws_secret_access_key=place["secret_access_key"],
        config=Config(max_pool_connections=64, s3={"addressing_style": "path"}),
    )
