"""Many at once: sixteen uploads and downloads, and how long the server's loop stalls meanwhile."""

import asyncio
import os
from collections.abc import Sequence

from attrs import frozen

from benchmarks.files import create_artifact, describe, download, upload
from benchmarks.idle_loop import idle_loop
from benchmarks.measured import Measured
from benchmarks.server import MiB, Server

CROWD = 16
SIZE, CHUNK = 64 * MiB, 32 * MiB
DELAYS = "debusine_event_loop_delay_seconds_{}"
STALL = "debusine_event_loop_longest_stall_seconds"


@frozen(kw_only=True)
class Crowd:
    """What sixteen uploads at once did to the server, in milliseconds, percent and megabytes."""

    longest_stall: float
    #: Of the looks at the clock, the part that was late by more than ten milliseconds.
    late_looks: float
    #: The longest stall of a loop that did nothing meanwhile.
    idle_stall: float
    #: Resident at most.
    memory: float
    #: Where the files are, to be fetched again.
    urls: Sequence[str]


async def crowd_transfers(server: Server) -> list[Measured]:
    """Sixteen files of 64 MiB go up at once, then come down at once."""
    crowd = await uploads_at_once(server)
    server.begin("16 downloads")
    async with server.session() as session:
        await asyncio.gather(*(download(session, url, SIZE) for url in crowd.urls))
    return [
        Measured("stall", crowd.longest_stall),
        Measured("stalls", crowd.late_looks),
        Measured("idle-stall", crowd.idle_stall),
        Measured("memory-up", crowd.memory),
        Measured("memory-down", server.memory.peak()),
    ]


async def uploads_at_once(server: Server) -> Crowd:
    """Sixteen files of 64 MiB go up at once."""
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
    return Crowd(
        longest_stall=after[STALL] * 1000,
        late_looks=100 * late_looks(before, after),
        idle_stall=idle[0],
        memory=server.memory.peak(),
        urls=[artifact["files"]["file"]["url"] for artifact in artifacts],
    )


def late_looks(before: dict[str, float], after: dict[str, float]) -> float:
    """Which part of the looks at the clock was late by more than ten milliseconds."""
    looks, in_time = (after[name] - before[name] for name in (DELAYS.format("count"), IN_TIME))
    return 1 - in_time / looks


IN_TIME = DELAYS.format('bucket{le="0.01"}')
