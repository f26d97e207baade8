"""The cache of images."""

import lzma
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.client import Access, Client, Connection
from debusine.worker.images import ImageCache
from tests.worker.fake_server import FakeServer

KILO = 1024


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    async with Connection(Access(api_url=f"{server.url}/api")) as connection:
        yield Client(connection)


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    cache = ImageCache(tmp_path / "images", 10 * KILO)
    cache.prepare()
    return cache


async def unpack(argv: list[str], output: Path) -> None:
    """What the real xz does, without it."""
    plain = lzma.decompress(Path(argv[-1]).read_bytes())
    listing = f"totals\t1\t1\t1\t{len(plain)}\t1\n"
    output.write_bytes(listing.encode() if "--list" in argv else plain)


async def fetch(cache: ImageCache, client: Client, server: FakeServer, content: bytes, name: str = "a.tar") -> Path:
    artifact = server.add_artifact("debusine:test", {}, {name: content})
    return await cache.get(client, await client.get_artifact(artifact), name, unpack)


async def test_the_same_content_is_fetched_once_whatever_artifact_it_is_in(
    cache: ImageCache, client: Client, server: FakeServer
) -> None:
    first = await fetch(cache, client, server, b"one")
    server.fault = lambda request: pytest.fail("a download") if "/download/" in request.path else None
    assert await fetch(cache, client, server, b"one") == first
    assert first.read_bytes() == b"one"


async def test_a_compressed_image_is_kept_decompressed(cache: ImageCache, client: Client, server: FakeServer) -> None:
    path = await fetch(cache, client, server, lzma.compress(b"system"), "system.tar.xz")
    assert path.read_bytes() == b"system"
    assert [path.name for path in cache.directory.iterdir()] == [path.name]


async def test_what_was_used_least_lately_goes_first(cache: ImageCache, client: Client, server: FakeServer) -> None:
    paths = []
    for number in range(3):
        paths.append(await fetch(cache, client, server, bytes([number]) * 3 * KILO))
        os.utime(paths[-1], (number, number))
    cache.release()
    await fetch(cache, client, server, bytes([0]) * 3 * KILO)
    cache.release()
    await fetch(cache, client, server, b"x" * 3 * KILO)
    assert [path.exists() for path in paths] == [True, False, True]


async def test_what_a_run_uses_stays_even_above_the_limit(
    cache: ImageCache, client: Client, server: FakeServer
) -> None:
    paths = [await fetch(cache, client, server, bytes([number]) * 8 * KILO) for number in range(3)]
    assert all(path.exists() for path in paths)


async def test_an_image_that_cannot_be_decompressed_leaves_nothing(
    cache: ImageCache, client: Client, server: FakeServer
) -> None:
    with pytest.raises(lzma.LZMAError):
        await fetch(cache, client, server, b"no xz", "system.tar.xz")
    assert list(cache.directory.iterdir()) == []


def test_what_was_not_finished_goes_at_the_next_start(cache: ImageCache) -> None:
    for name in ("a.part", "a.part.plain"):
        (cache.directory / name).write_bytes(b"x")
    cache.prepare()
    assert list(cache.directory.iterdir()) == []


async def test_an_image_that_was_made_here_is_not_fetched(
    cache: ImageCache, client: Client, server: FakeServer, tmp_path: Path
) -> None:
    compressed, plain = tmp_path / "system.tar.xz", tmp_path / "system.tar"
    plain.write_bytes(b"system")
    compressed.write_bytes(lzma.compress(b"system"))
    content = compressed.read_bytes()
    cache.put(compressed, plain)
    server.fault = lambda request: pytest.fail("a download") if "/download/" in request.path else None
    assert (await fetch(cache, client, server, content, "system.tar.xz")).read_bytes() == b"system"


async def test_a_run_is_shown_only_what_it_asked_for(cache: ImageCache, client: Client, server: FakeServer) -> None:
    await fetch(cache, client, server, b"another run's")
    cache.release()
    mine = await fetch(cache, client, server, b"mine")
    assert cache.in_use() == [mine]
