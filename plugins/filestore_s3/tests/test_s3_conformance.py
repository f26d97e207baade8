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


class TestOnMoto(S3Conformance):
    @pytest.fixture
    def server(self, moto: S3Server) -> S3Server:
        return moto
