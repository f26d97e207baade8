"""The suite for file stores over the store in memory, right or broken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from debusine.plugin import StorageFull, StoreData, Unavailable
from debusine.testing import FileStoreConformance, MemoryFileStore, Source

#: All by which something of a store is asked or changed.
METHODS = [
    *("prepare", "probe", "tidy", "store", "store_content", "open", "remove", "stat", "entries"),
    *("begin_parts", "store_part", "finish_parts", "abandon_parts"),
]


class MemoryConformance(FileStoreConformance):
    persistent = False
    memory: int | None = None

    async def corrupt(self, backend: Any, source: Source, data: StoreData) -> None:
        content, found = backend.objects[data["key"]]
        backend.objects[data["key"]] = (b"\0" + content[1:], found)

    @asynccontextmanager
    async def failing(self, backend: Any) -> AsyncIterator[None]:
        backend.failures = dict.fromkeys(METHODS, Unavailable("The memory is away"))
        yield
        backend.failures = {}

    @asynccontextmanager
    async def full(self, backend: Any) -> AsyncIterator[None]:
        backend.failures = dict.fromkeys(["store", "store_content", "store_part"], StorageFull("There is no room"))
        yield
        backend.failures = {}

    @asynccontextmanager
    async def slow(self, backend: Any) -> AsyncIterator[None]:
        backend.delay = 0.1
        yield
        backend.delay = 0


class Suite(MemoryConformance):
    """Runs one test for a backend that must fail it, and tells nobody what the backend can do."""

    patience = 0.1

    def needs(self, capability: str, there: bool, reason: str) -> None:
        assert there, reason


async def require_failure(
    broken: MemoryFileStore, test: str, sentence: str, suite: Suite | None = None, **arguments: Any
) -> None:
    """See a test fail with a sentence."""
    with pytest.raises(pytest.fail.Exception, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        await getattr(suite or Suite(), f"test_{test}")(broken, **arguments)
