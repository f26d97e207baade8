"""Real S3 servers for tests: OpenStack Swift over HTTP and HTTPS, and moto; each from an environment of its own.

`scripts/prepare s3` makes the environments. A server ends with whoever started it, and all that it keeps goes with it.
"""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import trustme
from attrs import field, frozen
from botocore.config import Config

from tests.places import place
from tests.postgresql import memory

CHECKOUT = Path(__file__).parents[2]
HERE = Path(__file__).parent

ACCESS_KEY, SECRET_KEY = "test:tester", "the-secret-of-the-tests"
#: Known to Swift, and allowed nothing.
GUEST = "test:guest"
REGION = "us-east-1"

_numbers = itertools.count(1)


class CannotStartS3(Exception):
    """A server is not installed on this machine, or does not start."""


@frozen(kw_only=True)
class S3Server:
    """Where a server is, and who may do everything there."""

    endpoint_url: str
    #: Who vouches for it; none: it speaks http.
    ca_bundle: Path | None = None
    secret_key: str = field(default=SECRET_KEY, repr=False)

    def client(self) -> Any:
        """A client of boto3 that looks behind the back of whoever is tested."""
        return _session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
            verify=str(self.ca_bundle) if self.ca_bundle else None,
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """Make a bucket, and return its name."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def shared_bucket(self) -> str:
        """A bucket for tests that each keep to a prefix of their own: making one takes longer than most tests."""
        return _shared_bucket(self)

    def settings(self, bucket: str) -> Mapping[str, Any]:
        """What the options of a store in a bucket are structured from; the secret's file has yet to be named."""
        settings = {"bucket": bucket, "endpoint_url": self.endpoint_url, "region": REGION, "access_key_id": ACCESS_KEY}
        return settings | ({"ca_bundle": str(self.ca_bundle)} if self.ca_bundle else {})


@frozen(kw_only=True)
class Swift:
    """One Swift, by its two doors."""

    http: S3Server
    https: S3Server


@cache
def _shared_bucket(server: S3Server) -> str:
    return server.new_bucket()


@cache
def _session() -> Any:
    return boto3.session.Session()


@contextmanager
def running_swift() -> Iterator[Swift]:
    """Swift with s3api; it checks signatures, checksums and times."""
    # A test writes little, and Swift syncs all of it.
    with place("swift", parent=memory()) as directory:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(directory / "server.pem")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(directory / "server.pem", append=True)
        pem_file = str(directory / "server.pem")
        with _running("swift", str(directory), pem_file, pem_file) as urls:
            yield Swift(
                http=S3Server(endpoint_url=urls["http"]),
                https=S3Server(endpoint_url=urls["https"], ca_bundle=directory / "ca.pem"),
            )


@contextmanager
def running_moto() -> Iterator[S3Server]:
    """A server that is a mock: it lets everybody in and looks at no checksum, and is another implementation."""
    with _running("moto") as urls:
        yield S3Server(endpoint_url=urls["http"])


@contextmanager
def _running(name: str, *arguments: str) -> Iterator[Mapping[str, str]]:
    python = CHECKOUT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        raise CannotStartS3(f"{name} is not installed; scripts/prepare s3 does it")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [python, "-W", "ignore", HERE / f"{name}_node.py", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment | {"SWIFT_SECRET": SECRET_KEY},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise CannotStartS3(f"{name} ends as soon as it is started; try {python} tests/s3/{name}_node.py")
        yield json.loads(line)
