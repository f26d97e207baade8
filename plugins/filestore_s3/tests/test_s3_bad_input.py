"""What an operator may have set wrongly: one clear sentence each, at the start."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import botocore.auth
import botocore.compat
import pytest
import trustme
from debusine_filestore_s3 import client
from debusine_filestore_s3.options import S3Options

from debusine.plugin import ConfigurationError, InvalidFields, Secret, Unavailable, structure
from tests.ports import reserved_port
from tests.s3.fault_proxy import FaultProxy, Refused, running_fault_proxy
from tests.s3.servers import GUEST, Swift
from tests.s3.stores import EMPTY, held, open_store, options_for, without_pauses


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pauses(monkeypatch)


@pytest.fixture
def options(swift: Swift) -> S3Options:
    return options_for(swift.http)


@pytest.fixture
def proxy(swift: Swift) -> Iterator[FaultProxy]:
    with running_fault_proxy(swift.http.endpoint_url) as proxy:
        yield proxy


async def refusal(options: S3Options, **changes: Any) -> str:
    """Why a store with these options does not start."""
    async with open_store(attrs.evolve(options, **changes)) as store:
        with pytest.raises(ConfigurationError) as refused:
            await store.prepare()
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith("The bucket ")
    return said


async def absence(options: S3Options, **changes: Any) -> str:
    """Why a store with these options cannot be used just now."""
    async with open_store(attrs.evolve(options, **changes)) as store:
        with pytest.raises(Unavailable) as away:
            await store.prepare()
    return str(away.value)


class TestStart:
    async def test_a_start_leaves_nothing(self, swift: Swift, options: S3Options) -> None:
        async with open_store(options) as store:
            await store.prepare()

        assert held(swift.http, options) == EMPTY

    async def test_a_wrong_secret(self, options: S3Options) -> None:
        said = await refusal(options, secret_access_key=Secret("not-it"))

        assert said.endswith("access key and secret key do not fit; set access_key_id and secret_access_key_file")
        assert "not-it" not in said

    async def test_an_unknown_access_key(self, options: S3Options) -> None:
        said = await refusal(options, access_key_id="test:nobody")

        assert "set access_key_id" in said

    async def test_no_credentials_at_all(
        self, options: S3Options, only_the_loopback: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client._session.cache_clear()
        said = await refusal(options, access_key_id=None, secret_access_key=None)

        assert "there are no credentials; set access_key_id and secret_access_key_file, or profile" in said

    async def test_credentials_of_the_environment_are_found(
        self, options: S3Options, only_the_loopback: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert options.access_key_id is not None
        assert options.secret_access_key is not None
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", options.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options.secret_access_key.reveal())
        client._session.cache_clear()

        async with open_store(attrs.evolve(options, access_key_id=None, secret_access_key=None)) as store:
            await store.prepare()
        client._session.cache_clear()

    async def test_a_profile_that_is_not_there(self, options: S3Options, only_the_loopback: None) -> None:
        said = await refusal(options, access_key_id=None, secret_access_key=None, profile="farm")

        assert "The config profile (farm) could not be found" in said

    async def test_no_right_to_list(self, options: S3Options) -> None:
        said = await refusal(options, access_key_id=GUEST)

        assert "ListObjectsV2 is not allowed; allow s3:ListBucket" in said

    async def test_no_right_to_write(self, options: S3Options, proxy: FaultProxy) -> None:
        proxy.let("PutObject", Refused(403), times=None)

        said = await refusal(options, endpoint_url=proxy.endpoint_url)

        assert "PutObject is not allowed; allow s3:PutObject" in said

    async def test_no_right_to_remove(self, options: S3Options, proxy: FaultProxy) -> None:
        proxy.let("DeleteObject", Refused(403), times=None)

        said = await refusal(options, endpoint_url=proxy.endpoint_url)

        assert "DeleteObject is not allowed; allow s3:DeleteObject" in said

    async def test_no_such_bucket(self, options: S3Options) -> None:
        said = await refusal(options, bucket="nothing-here")

        assert said.startswith("The bucket nothing-here at http://127.0.0.1:")
        assert said.endswith("cannot be used: there is no such bucket; make it, or set bucket")

    @pytest.mark.parametrize("hours", [-1, 1])
    async def test_a_clock_that_is_wrong(self, options: S3Options, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
        def wrong(**arguments: bool) -> datetime:
            right: datetime = botocore.compat.get_current_datetime(**arguments)
            return right + timedelta(hours=hours)

        monkeypatch.setattr(botocore.auth, "get_current_datetime", wrong)

        said = await refusal(options)

        assert "the clocks of this machine and of the server are too far apart; set the one that is wrong" in said

    async def test_another_region(self, options: S3Options) -> None:
        said = await refusal(options, region="eu-west-1")

        assert said.endswith('cannot be used: it is in the region us-east-1; set region = "us-east-1"')

    async def test_a_region_that_is_not_set_is_found(self, options: S3Options) -> None:
        async with open_store(attrs.evolve(options, region=None)) as store:
            await store.prepare()

            assert [entry async for entry in store.entries()] == []

    async def test_an_authority_that_is_not_named(self, swift: Swift) -> None:
        said = await refusal(options_for(swift.https), ca_bundle=None)

        assert "nobody who is trusted here vouches for its certificate" in said
        assert "name its authority's certificate in ca_bundle" in said

    async def test_the_wrong_authority(self, swift: Swift, tmp_path: Path) -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")

        said = await refusal(options_for(swift.https), ca_bundle=tmp_path / "other.pem")

        assert "nobody who is trusted here vouches for its certificate" in said

    async def test_an_authority_whose_file_is_not_there(self, swift: Swift, tmp_path: Path) -> None:
        said = await refusal(options_for(swift.https), ca_bundle=tmp_path / "ca.pem")

        assert said.endswith("ca.pem cannot be used: No such file or directory")

    async def test_an_authority_whose_file_is_no_certificate(self, swift: Swift, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("hello")

        said = await refusal(options_for(swift.https), ca_bundle=tmp_path / "ca.pem")

        assert said.endswith("ca.pem cannot be used: it has no certificates")

    async def test_https_where_http_is_spoken(self, options: S3Options) -> None:
        assert options.endpoint_url is not None

        said = await refusal(options, endpoint_url=options.endpoint_url.replace("http:", "https:"))

        assert "it speaks http, not https; set endpoint_url to http://…" in said

    async def test_http_where_https_is_spoken(self, swift: Swift) -> None:
        options = options_for(swift.https)
        assert options.endpoint_url is not None

        said = await refusal(options, endpoint_url=options.endpoint_url.replace("https:", "http:"), ca_bundle=None)

        assert "it speaks https, not http; set endpoint_url to https://…" in said

    async def test_nobody_listens(self, options: S3Options, closed_endpoint: str) -> None:
        said = await absence(options, endpoint_url=closed_endpoint)

        assert said.endswith("cannot be used just now: nobody answers there")

    async def test_something_else_than_s3_answers(self, options: S3Options) -> None:
        with web_server() as url:
            said = await refusal(options, endpoint_url=url)

        assert said.endswith("cannot be used: what answers there does not speak S3; set endpoint_url")

    async def test_a_server_that_is_overloaded(self, options: S3Options, proxy: FaultProxy) -> None:
        proxy.let(None, Refused(503), times=None)

        said = await absence(options, endpoint_url=proxy.endpoint_url)

        assert "cannot be used just now: it answers SlowDown to ListObjectsV2" in said


@contextmanager
def web_server() -> Iterator[str]:
    """A server of pages."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b"<html>Not found<br></html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_endpoint() -> Iterator[str]:
    with reserved_port() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bucket": "a/b"}, "bucket: 'a/b' is not the name of a bucket."),
        ({"prefix": "debusine"}, "prefix must be empty or like 'debusine/', names each followed by a slash"),
        ({"prefix": "/debusine/"}, "prefix must be empty or like 'debusine/'"),
        ({"prefix": "a/../b/"}, "prefix must be empty or like 'debusine/'"),
        ({"endpoint_url": "s3.example.org"}, "endpoint_url must be like 'https://s3.example.org', not"),
        ({"endpoint_url": "https://s3.example.org:port"}, "endpoint_url must be like"),
        ({"endpoint_url": "https://me:secret@s3.example.org"}, "endpoint_url has no user, password, query or fragment"),
        ({"addressing": "host"}, "addressing"),
        ({"storage_class": "GLACIER"}, "objects of the class GLACIER cannot be read at once"),
        ({"kms_key_id": "k"}, 'kms_key_id needs server_side_encryption = "aws:kms".'),
        ({"access_key_id": "a"}, "access_key_id and secret_access_key must be set both or not at all."),
        ({"session_token": "t"}, "session_token needs access_key_id and secret_access_key."),
        (
            {"access_key_id": "a", "secret_access_key": "b", "profile": "c"},
            "profile and access_key_id exclude each other.",
        ),
        ({"part_size": 1000}, "part_size must be from 5242880 to 5368709120 bytes, not 1000."),
        ({"connections": 0}, "connections must be from 1 to 256 connections, not 0."),
        ({"senders": 65}, "senders must be from 1 to 64 senders, not 65."),
        ({"presigned_seconds": 700_000}, "presigned_seconds must be from 1 to 604800 seconds, not 700000."),
        ({"read_timeout": 0}, "read_timeout must be from 0.1 to 3600 seconds"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        structure({"bucket": "files"} | settings, S3Options)

    assert said in str(refused.value)
    assert "me:secret" not in str(refused.value)
