"""Files that go into stores: into a bucket, and on the disk, where they are also read again."""

import asyncio
import hashlib
import os

from benchmarks.crowd import uploads_at_once
from benchmarks.files import LARGE, create_artifact, describe, download, large_content, upload
from benchmarks.measured import Measured, timed
from benchmarks.server import MiB, Server, Work

#: Of the file that goes to the disk, and is read again so many times.
SIZE, ROUNDS = 256 * MiB, 5


async def transfer_through_s3(server: Server) -> list[Measured]:
    """A large file into the bucket and back, then sixteen at once."""
    idle = server.memory.resident()
    return [*await transfer_large(server, idle), *await crowd_into_s3(server, idle)]


async def transfer_large(server: Server, idle: float) -> list[Measured]:
    """One file in chunks as the client sends them, then the whole of it back."""
    content = large_content()
    server.begin("1 GiB through S3")
    async with server.session() as session:
        artifact = await create_artifact(session, {"large": describe(content)})
        with server.working() as up:
            await upload(session, artifact, "large", content)
        with server.working() as down:
            await download(session, artifact["files"]["large"]["url"], LARGE)
    return [
        *up.rate("s3-upload", LARGE / MiB),
        *down.rate("s3-download", LARGE / MiB),
        Measured("s3-memory", server.memory.peak() - idle),
    ]


async def crowd_into_s3(server: Server, idle: float) -> list[Measured]:
    """Sixteen uploads at once."""
    crowd = await uploads_at_once(server)
    return [
        Measured("s3-stall", crowd.longest_stall),
        Measured("s3-stalls", crowd.late_looks),
        Measured("s3-idle-stall", crowd.idle_stall),
        Measured("s3-memory-up", crowd.memory - idle),
    ]


async def keep_on_disk(server: Server) -> list[Measured]:
    """What the server reads and writes to keep one file, and how fast it reads what it keeps."""
    content = os.urandom(MiB) * (SIZE // MiB)
    async with server.session() as session:
        artifact = await create_artifact(session, {"file": describe(content)})
        before = server.process.io_counters()
        await upload(session, artifact, "file", content)
        after = server.process.io_counters()
    return [
        Measured("bytes-written", (after.write_chars - before.write_chars) / SIZE),
        Measured("bytes-read", (after.read_chars - before.read_chars) / SIZE),
        *await scrub(server, content),
    ]


async def scrub(server: Server, content: bytes) -> list[Measured]:
    """The store's only file is hashed again and again, in turn with the same bytes in memory."""
    volume, hashing, scrubbing = ROUNDS * SIZE / MiB, 0.0, Work()
    for _ in range(ROUNDS):
        with timed() as hashed:
            await asyncio.to_thread(hashlib.sha256, content)
        with server.working() as scrubbed:
            (found,) = await server.operate("stores scrub")
        assert (found["size"], found["damaged"]) == (SIZE, 0), found
        hashing += hashed.seconds
        scrubbing.seconds += scrubbed.seconds
        scrubbing.processor += scrubbed.processor
    return [*scrubbing.rate("scrub", volume), Measured("hashlib", volume / hashing)]
