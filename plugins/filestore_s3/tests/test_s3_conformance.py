"""What every file store promises, kept by three servers."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from debusine_filestore_s3.backend import S3FileStore

from debusine.plugin import FileStoreBackend, StoreData
from debusine.testing import FileStoreConformance, Source
from tests.s3.servers import S3Server, Swift
from tests.s3.stores import open_store, options_for


class S3Conformance(FileStoreConformance):
    @pytest.fixture
    async def backend(self, server: S3Server) -> AsyncIterator[S3FileStore]:
        options = options_for(server, connections=4)
        async with open_store(options) as backend:
            # Its threads come when they are needed; that is no leak.
            await asyncio.gather(*(backend._threads.run(time.sleep, 0.005) for _ in range(3 * options.connections)))
            yield backend

    async def corrupt(self, backend: FileStoreBackend[Any], source: Source, data: StoreData) -> None:
        assert isinstance(backend, S3FileStore)
        content = bytearray(source.content)
        content[1000] ^= 1
        backend._bucket.client.put_object(**backend._bucket._at(data["key"]), Body=bytes(content))


class TestOnSwift(S3Conformance):
    @pytest.fixture
    def server(self, swift: Swift) -> S3Server:
        return swift.http


class TestOnSwiftOverTLS(S3Conformance):
    @pytest.fixture
    def server(self, swift: Swift) -> S3Server:
        return swift.https


#: What moto, which only plays a server, does otherwise than any real one.
OF_MOTO = {
    "test_an_examination_of_a_good_place_finds_nothing_wrong": "moto looks at no signature",
    "test_parts_become_an_object": "moto answers 500 when an upload was finished that is asked for again",
    "test_what_was_abandoned_is_gone": "moto answers 500 to parts of an upload that was aborted",
    "test_tidying_leaves_what_is_going_on": "moto answers 500 when an upload was finished that is asked for again",
}


class TestOnMoto(S3Conformance):
    @pytest.fixture
    def server(self, moto: S3Server, request: pytest.FixtureRequest) -> S3Server:
        if reason := OF_MOTO.get(request.node.originalname):
            pytest.skip(reason)
        return moto
