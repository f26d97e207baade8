"""Two processes fill, read and evict in one directory; one of them is killed in the middle."""

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from functools import partial
from pathlib import Path

from debusine_filestore_cache.backend import CacheFileStore, CacheOptions
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from tests import cache_rig
from tests.cache_rig import SIZE, Rig

rig = cache_rig.rig

#: Reads objects, each process in another order, and says when it begins and when all of them had the right content.
READER = """
import asyncio, hashlib, pickle, random, sys

async def main(path, seed, rounds):
    with open(path, "rb") as stream:
        build, objects = pickle.load(stream)
    cache, order = build(), random.Random(seed)
    await cache.prepare()
    print("begins", flush=True)
    for _ in range(rounds):
        file, data = order.choice(objects)
        running = hashlib.sha256()
        async with cache.open(file, data) as chunks:
            async for chunk in chunks:
                running.update(chunk)
        assert running.digest() == file.hash_digest, "wrong bytes"
    await cache.aclose()
    print("right", flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""

#: Bytes that the copies may take: less than a third of what there is to read.
LIMIT = 7 * SIZE


async def test_two_processes_share_a_directory_and_survive_the_death_of_a_third(rig: Rig) -> None:
    pickled = await written(rig)
    victim = await started(pickled, seed=1, rounds=10**6)
    readers = [await started(pickled, seed, rounds=150) for seed in (2, 3)]

    ends = asyncio.gather(*(reader.communicate() for reader in readers))
    most, looks = 0, 0
    while not ends.done():
        most, looks = max(most, rig.bytes), looks + 1
        if looks == 20:
            victim.kill()
        await asyncio.sleep(0.005)
    await victim.communicate()

    assert [said for said, _ in await ends] == [b"right\n"] * 2, await ends
    assert looks > 20
    assert SIZE < most <= LIMIT
    await rig.cache(max_bytes=LIMIT)
    assert rig.is_in_order()
    assert len(rig.copies) > 3


async def written(rig: Rig) -> Path:
    """A file from which a reader builds its cache and learns of 20 objects."""
    behind = LocalFileStore(LocalOptions(base_directory=rig.root / "store"))
    await behind.prepare()
    sources = [rig.sources.of_size(SIZE // 2 * (number % 4 + 1)) for number in range(20)]
    objects = [(source.file, await behind.store(source.file, source.path)) for source in sources]
    options = CacheOptions(store="behind", directory=rig.root / "cache", max_bytes=LIMIT)
    path = rig.root / "pickled"
    path.write_bytes(pickle.dumps((partial(CacheFileStore.in_front_of, behind, options), objects)))
    return path


async def started(pickled: Path, seed: int, rounds: int) -> Process:
    """A reader that has begun."""
    arguments = (str(pickled), str(seed), str(rounds))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", READER, *arguments, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n", (await process.communicate())[1].decode()
    return process
