"""Many at once: sixteen uploads and downloads, and how long the server's loop stalls meanwhile."""

import asyncio
import os

from benchmarks.files import create_artifact, describe, download, upload
from benchmarks.idle_loop import idle_loop
from benchmarks.measured import Measured
from benchmarks.server import MiB, Server

CROWD = 16
SIZE, CHUNK = 64 * MiB, 32 * MiB
DELAYS = "debusine_event_loop_delay_seconds_{}"
STALL = "debusine_event_loop_longest_stall_seconds"


async def crowd_uploads(server: Server) -> list[Measured]:
    """Sixteen files of 64 MiB go up at once, then come down at once."""
    contents = [os.urandom(MiB) * (SIZE // MiB) for _ in range(CROWD)]
    declared = [{"file": describe(content)} for content in contents]
    async with server.session() as session:
        artifacts = [await create_artifact(session, files) for files in declared]
        server.begin("16 uploads")
        before = await server.metrics()
        async with idle_loop() as idle:
            sending = (
                upload(session, artifact, "file", content, CHUNK)
                for artifact, content in zip(artifacts, contents, strict=True)
            )
            await asyncio.gather(*sending)
            after = await server.metrics()
        up = server.memory.peak()
        server.begin("16 downloads")
        await asyncio.gather(*(download(session, each["files"]["file"]["url"], SIZE) for each in artifacts))
    return [
        Measured("stall", after[STALL] * 1000),
        Measured("stalls", 100 * late_looks(before, after)),
        Measured("idle-stall", idle[0]),
        Measured("memory-up", up),
        Measured("memory-down", server.memory.peak()),
    ]


def late_looks(before: dict[str, float], after: dict[str, float]) -> float:
    """Which part of the looks at the clock was late by more than ten milliseconds."""
    looks, in_time = (after[name] - before[name] for name in (DELAYS.format("count"), IN_TIME))
    return 1 - in_time / looks


IN_TIME = DELAYS.format('bucket{le="0.01"}')
