"""What is the store's own, beside what every store promises."""

import asyncio
import hashlib
import logging
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from debusine_filestore_s3 import backend as backend_module
from debusine_filestore_s3 import bucket as bucket_module
from debusine_filestore_s3 import client
from debusine_filestore_s3.backend import S3FileStore
from debusine_filestore_s3.options import MIB, S3Options
from debusine_filestore_s3.uploads import pieces_of

from debusine.plugin import (
    Damaged,
    File,
    FileMissing,
    Finding,
    Grade,
    Invalid,
    PartsGone,
    Secret,
    Unavailable,
    structure,
)
from debusine.testing import Source, Sources
from tests.s3.servers import S3Server, Swift
from tests.s3.stores import EMPTY, Held, held, open_store, options_for, without_pauses

PARTS = [(1, 0, 5 * MIB), (2, 5 * MIB, 1000)]
HEADERS = {"content_disposition": "attachment; filename=\"a b.deb\"; filename*=UTF-8''a%20b.deb", "content_type": "x/y"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pauses(monkeypatch)


@pytest.fixture
def options(swift: Swift) -> S3Options:
    return options_for(swift.http, part_size=5 * MIB)


@pytest.fixture
async def store(options: S3Options) -> AsyncIterator[S3FileStore]:
    async with open_store(options) as store:
        yield store


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A file of more than one part."""
    return Sources(tmp_path_factory.mktemp("sources")).of_size(5 * MIB + 1000)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Sources(tmp_path_factory.mktemp("sources")).of_size(10_000)


class TestObjects:
    async def test_an_object_is_below_the_prefix_under_its_hash(
        self, swift: Swift, store: S3FileStore, small: Source
    ) -> None:
        data = await store.store(small.file, small.path)

        assert data["key"].startswith(f"{small.file.hash_digest.hex()}-")
        assert held(swift.http, store.options) == Held({data["key"]: 10_000}, ())

    async def test_what_others_keep_in_the_bucket_is_left_alone(
        self, swift: Swift, store: S3FileStore, small: Source
    ) -> None:
        data = await store.store(small.file, small.path)
        client = swift.http.client()
        for key in ("README", f"q/{data['key']}", f"../{data['key']}", "0" * 64):
            client.put_object(Bucket=store.options.bucket, Key=store.options.prefix + key, Body=b"foreign")
        client.close()

        assert [entry.data async for entry in store.entries()] == [data]

    @pytest.mark.parametrize("key", ["../../secret", "", None, 7, "a" * 64, "A" * 64 + "-" + "0" * 16])
    async def test_only_keys_are_asked_for(self, store: S3FileStore, small: Source, key: object) -> None:
        for call in (store.stat(small.file, {"key": key}), store.remove(small.file, {"key": key})):
            with pytest.raises(FileMissing):
                await call

    async def test_a_listing_of_several_pages_is_whole(
        self, store: S3FileStore, small: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bucket_module, "PAGE", 2)
        stored = [await store.store(small.file, small.path) for _ in range(5)]

        listed = [entry.data["key"] async for entry in store.entries()]

        assert sorted(listed) == sorted(data["key"] for data in stored)

    async def test_an_object_of_another_size_is_never_served(
        self, swift: Swift, store: S3FileStore, small: Source
    ) -> None:
        data = await store.store(small.file, small.path)
        client = swift.http.client()
        client.put_object(Bucket=store.options.bucket, Key=store.options.prefix + data["key"], Body=b"short")
        client.close()

        for start in (0, 3, 10_000):
            with pytest.raises(Damaged, match="it has 5 bytes instead of 10000"):
                async with store.open(small.file, data, start):
                    pass
        assert (await store.verify(small.file, data)).size == 5

    async def test_a_source_of_another_size_is_refused_and_nothing_sent(
        self, swift: Swift, store: S3FileStore, source: Source
    ) -> None:
        with pytest.raises(Invalid, match=f"has {source.file.size} bytes, not the 5 that were verified"):
            await store.store(attrs.evolve(source.file, size=5), source.path)

        assert held(swift.http, store.options) == EMPTY

    async def test_a_source_with_other_bytes_is_refused_and_nothing_stays(
        self, swift: Swift, store: S3FileStore, small: Source
    ) -> None:
        other = File(sha256=hashlib.sha256(b"other").digest(), size=small.file.size)

        with pytest.raises(Unavailable, match="what arrives there is not what was sent"):
            await store.store(other, small.path)

        assert held(swift.http, store.options) == EMPTY

    async def test_storage_class_and_encryption_are_asked_for(self, moto: S3Server, small: Source) -> None:
        wanted = {"storage_class": "STANDARD_IA", "server_side_encryption": "aws:kms", "kms_key_id": "farm"}
        options = options_for(moto, **wanted)

        async with open_store(options) as store:
            data = await store.store(small.file, small.path)
            found = store._bucket.client.head_object(**store._bucket._at(data["key"]))

        assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
        assert found["SSEKMSKeyId"].endswith("farm")

    async def test_the_checksum_is_kept_by_servers_that_keep_checksums(self, moto: S3Server, small: Source) -> None:
        options = options_for(moto)

        async with open_store(options) as store:
            data = await store.store(small.file, small.path)
            found = store._bucket.client.head_object(**store._bucket._at(data["key"]), ChecksumMode="ENABLED")

        assert found["ChecksumSHA256"] == bucket_module._base64(small.file.hash_digest)

    async def test_without_checksums_all_goes_well_too(self, options: S3Options, source: Source) -> None:
        async with open_store(attrs.evolve(options, checksums=False)) as store:
            data = await store.store(source.file, source.path)

            assert await store.verify(source.file, data) == source.file.digest


class TestParts:
    async def begun(self, store: S3FileStore, source: Source) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        data = await store.begin_parts(source.file)
        return data, [await store.store_part(source.file, data, number, source.path, *at) for number, *at in PARTS]

    async def test_parts_come_in_any_order_and_through_any_process(
        self, swift: Swift, store: S3FileStore, source: Source
    ) -> None:
        data = await store.begin_parts(source.file)
        async with open_store(store.options) as other:
            number, *at = PARTS[1]
            last = await other.store_part(source.file, data, number, source.path, *at)
        number, *at = PARTS[0]
        await store.store_part(source.file, data, number, source.path, 1, 5 * MIB)  # it will come again
        first = await store.store_part(source.file, data, number, source.path, *at)
        assert held(swift.http, store.options).objects == {}

        finished = await store.finish_parts(source.file, data, [first, last])

        assert finished == {"key": data["key"]}
        assert [entry.data async for entry in store.entries()] == [finished]
        assert await store.verify(source.file, data) == source.file.digest

    async def test_what_was_abandoned_is_gone(self, swift: Swift, store: S3FileStore, source: Source) -> None:
        data, parts = await self.begun(store, source)

        await store.abandon_parts(source.file, data)
        await store.abandon_parts(source.file, data)

        assert held(swift.http, store.options) == EMPTY
        with pytest.raises(PartsGone):
            await store.store_part(source.file, data, 1, source.path, 0, 5 * MIB)
        with pytest.raises(PartsGone):
            await store.finish_parts(source.file, data, parts)

    async def test_a_part_that_was_sent_anew_cannot_be_finished_by_its_old_name(
        self, store: S3FileStore, source: Source
    ) -> None:
        data, parts = await self.begun(store, source)
        await store.store_part(source.file, data, 1, source.path, 1, 5 * MIB)

        with pytest.raises(PartsGone):
            await store.finish_parts(source.file, data, parts)

    async def test_parts_that_are_not_all_of_the_file_make_no_object(
        self, swift: Swift, store: S3FileStore, source: Source
    ) -> None:
        data, parts = await self.begun(store, source)

        with pytest.raises(Damaged, match=f"its parts have {5 * MIB} bytes, not {source.file.size}"):
            await store.finish_parts(source.file, data, parts[:1])

        assert held(swift.http, store.options) == EMPTY

    async def test_a_large_file_has_no_more_parts_than_there_may_be(self) -> None:
        pieces = list(pieces_of(400_000 * MIB + 1, 16 * MIB))

        assert len(pieces) <= 10_000
        assert sum(length for _, _, length in pieces) == 400_000 * MIB + 1

    async def test_only_what_was_left_behind_is_tidied_up(
        self, swift: Swift, store: S3FileStore, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        going_on, left_behind = [await store.begin_parts(source.file) for _ in range(2)]
        client = swift.http.client()
        client.create_multipart_upload(Bucket=store.options.bucket, Key=f"{store.options.prefix}foreign")
        client.close()
        assert await store.tidy([]) == 0

        monkeypatch.setattr(backend_module, "ABANDONED", timedelta(seconds=-60))
        assert await store.tidy([going_on]) == 1

        uploads = held(swift.http, store.options).uploads
        assert sorted(uploads) == sorted([going_on["key"], "foreign"])
        with pytest.raises(PartsGone):
            await store.store_part(source.file, left_behind, 1, source.path, 0, 100)


class TestMemory:
    async def test_a_large_file_is_never_held_whole(self, swift: Swift, tmp_path: Path) -> None:
        large = tmp_path / "large"
        with large.open("wb") as stream:
            stream.truncate(160 * MIB)
        file = File.from_local_path(large)

        async with open_store(options_for(swift.http)) as store:
            await store.probe()
            before = resident()
            with sampled(resident) as seen:
                data = await store.store(file, large)
                assert await store.verify(file, data) == file.digest
            await store.remove(file, data)

        assert max(seen) - before < 60 * MIB


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def sampled(look: Callable[[], int]) -> Iterator[list[int]]:
    """What a look shows, again and again."""
    ended, seen = threading.Event(), [look()]

    def watch() -> None:
        while not ended.wait(0.005):
            seen.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


class TestPlace:
    @pytest.mark.parametrize(
        ("ours", "theirs", "shared"),
        [
            ({}, {}, True),
            ({"prefix": "a/"}, {"prefix": "b/"}, False),
            ({"prefix": "a/"}, {"prefix": "a/b/"}, True),
            ({"prefix": "a/b/"}, {"prefix": "a/"}, True),
            ({"prefix": "a/"}, {"prefix": "ab/"}, False),
            ({}, {"prefix": "a/"}, True),
            ({}, {"bucket": "other"}, False),
            ({"endpoint_url": "https://s3.example.org"}, {"endpoint_url": "http://S3.example.org:80/"}, True),
            ({"endpoint_url": "https://s3.example.org"}, {"endpoint_url": "https://s3.example.org:9000"}, False),
            ({"endpoint_url": "https://s3.example.org"}, {}, False),
            ({"region": "eu-west-1"}, {"region": "eu-west-2"}, True),
        ],
    )
    def test_two_stores_in_one_place_are_seen(self, ours: dict[str, str], theirs: dict[str, str], shared: bool) -> None:
        one = S3FileStore(structure({"bucket": "files"} | ours, S3Options))
        other = S3FileStore(structure({"bucket": "files"} | theirs, S3Options))

        assert one.shares_place_with(other) is shared
        assert other.shares_place_with(one) is shared

    def test_a_store_stays_where_it_is_when_it_begins_to_speak_tls(self) -> None:
        before, after = ({"bucket": "files", "endpoint_url": f"{way}://s3.example.org"} for way in ("http", "https"))

        assert S3FileStore.place_of_options(before) == S3FileStore.place_of_options(after)

    def test_keys_and_time_outs_do_not_say_where_the_bytes_are(self) -> None:
        place = S3FileStore.place_of_options({"bucket": "files", "access_key_id": "a", "read_timeout": 3})

        assert place == {"bucket": "files", "endpoint_url": None}


class TestExamination:
    async def findings(self, options: S3Options) -> Mapping[str, Finding]:
        async with open_store(options) as store:
            return {finding.what: finding async for finding in store.examine()}

    @pytest.mark.parametrize("way", ["http", "https"])
    async def test_swift_does_all_that_is_relied_on(self, swift: Swift, way: str) -> None:
        server: S3Server = getattr(swift, way)
        options = options_for(server, presigned_downloads=True)

        findings = await self.findings(options)

        assert {finding.grade for finding in findings.values()} == {Grade.GOOD}, findings
        assert len(findings) == 9
        assert held(server, options) == EMPTY

    async def test_what_a_mock_does_not_do_is_found(self, moto: S3Server) -> None:
        options = options_for(moto, presigned_downloads=True)

        findings = await self.findings(options)

        bad = {what: finding.grade for what, finding in findings.items() if finding.grade != Grade.GOOD}
        assert bad == {
            "a request with a wrong signature is refused": Grade.WRONG,
            "content that is changed on its way is refused": Grade.LACKING,
            "content with a wrong checksum is refused": Grade.LACKING,
            "a signed URL that was changed is refused": Grade.WRONG,
        }
        assert all(finding.detail for what, finding in findings.items() if what in bad)
        assert held(moto, options) == EMPTY

    async def test_a_server_that_is_away_fails_every_question(self, swift: Swift) -> None:
        options = options_for(swift.http, bucket="nothing-here")

        findings = await self.findings(options)

        assert {finding.grade for what, finding in findings.items() if "signature" not in what} == {Grade.WRONG}
        assert "there is no such bucket" in findings["a part of an object can be read"].detail


class TestPresigned:
    @pytest.fixture(params=["http", "https"])
    def server(self, request: pytest.FixtureRequest, swift: Swift) -> S3Server:
        server: S3Server = getattr(swift, request.param)
        return server

    @pytest.fixture
    async def url(self, server: S3Server, small: Source) -> AsyncIterator[str]:
        async with open_store(options_for(server, presigned_downloads=True, presigned_seconds=60)) as store:
            data = await store.store(small.file, small.path)
            url = await store.download_url(small.file, data, **HEADERS)
            assert url is not None
            yield url

    def fetch(self, server: S3Server, url: str) -> tuple[bytes, Any]:
        context = ssl.create_default_context(cafile=server.ca_bundle)
        with urllib.request.urlopen(url, context=context) as answer:
            return answer.read(), answer.headers

    async def test_a_client_gets_the_file_with_its_name_and_type(
        self, server: S3Server, url: str, small: Source
    ) -> None:
        got, headers = await asyncio.to_thread(self.fetch, server, url)

        assert got == small.content
        assert headers["Content-Disposition"] == HEADERS["content_disposition"]
        assert headers["Content-Type"] == HEADERS["content_type"]

    @pytest.mark.parametrize(("old", "new"), [("a%20b.deb", "c.html"), ("x%2Fy", "text%2Fhtml"), ("=60&", "=6000&")])
    async def test_nothing_of_it_can_be_changed(self, server: S3Server, url: str, old: str, new: str) -> None:
        assert old in url

        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            await asyncio.to_thread(self.fetch, server, url.replace(old, new))

        refused.value.close()

    async def test_it_is_off_unless_it_is_asked_for(self, store: S3FileStore, small: Source) -> None:
        data = await store.store(small.file, small.path)

        assert await store.download_url(small.file, data, **HEADERS) is None


class TestSecrets:
    async def test_no_secret_is_logged_or_shown(
        self, swift: Swift, small: Source, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        options = options_for(swift.http, secret_access_key="a-wrong-secret", session_token="a-session-token")

        async with open_store(options) as store:
            with pytest.raises(Unavailable) as refused:
                await store.store(small.file, small.path)
            shown = [caplog.text, str(refused.value), repr(refused.value), repr(options), repr(vars(store))]

        assert "set " in shown[1]
        assert [text for text in shown if "a-wrong-secret" in text or "a-session-token" in text] == []

    def test_secrets_can_only_come_from_files(self) -> None:
        assert attrs.fields(S3Options).secret_access_key.type == Secret | None
        assert attrs.fields(S3Options).session_token.type == Secret | None


def test_stores_share_what_boto3_read() -> None:
    assert client._session(None) is client._session(None)
