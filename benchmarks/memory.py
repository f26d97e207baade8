"""What the server's process holds while much goes on, and afterwards."""

import asyncio
import os
import statistics

import aiohttp

from benchmarks.crowd import crowd_transfers
from benchmarks.files import create_artifact, describe, download, read, send_artifact, upload
from benchmarks.measured import Measured, each, timed
from benchmarks.noop_workers import noop_workers
from benchmarks.server import MiB, Server
from benchmarks.work import through

MANY_FILES, CONTENTS, SMALL = 10_000, 100, 10 << 10
WORKERS = 500
ROUNDS = 10
ROUND_FILE = 64 * MiB


async def crowds(server: Server) -> list[Measured]:
    """Sixteen at once, up and down; an archive of very many files; rounds of everything; very many workers."""
    return [
        *await crowd_transfers(server),
        *await send_archive(server),
        *await go_round(server),
        *await many_workers(server),
    ]


async def send_archive(server: Server) -> list[Measured]:
    """A tar.gz of ten thousand files, made while it is sent."""
    contents = [os.urandom(SMALL) for _ in range(CONTENTS)]
    described = [describe(content) for content in contents]
    async with server.session() as session:
        await send_artifact(session, contents)
        # The workspace has these contents already, so the artifact is whole once it is declared.
        files = {f"directory-{n // 100}/file-{n}": described[n % CONTENTS] for n in range(MANY_FILES)}
        artifact = await create_artifact(session, files)
        server.begin("archive of 10,000 files")
        with timed() as archived:
            await read(session, f"/debusine/System/artifact/{artifact['id']}/download/?archive=tar.gz")
    return [
        Measured("memory-archive", server.memory.peak()),
        Measured("archive", MANY_FILES / archived.seconds),
    ]


async def go_round(server: Server) -> list[Measured]:
    """Everything a little, again and again."""
    server.begin("10 rounds of everything")
    resident = []
    async with server.session() as session, noop_workers(server, 2) as workers:
        for _ in range(ROUNDS):
            await one_round(session)
            await through(session, workers, 100)
            resident.append(server.memory.resident())
    return [Measured("memory-rounds", server.memory.peak()), Measured("memory-growth", growth(resident))]


def growth(resident: list[float]) -> float:
    """What was added after the first rounds have filled what is kept on purpose."""
    return max(0.0, statistics.median(resident[-3:]) - statistics.median(resident[2:5]))


async def one_round(session: aiohttp.ClientSession) -> None:
    """A large file, small ones, their archive, and pages of a list."""
    content = os.urandom(MiB) * (ROUND_FILE // MiB)
    large = await create_artifact(session, {"large": describe(content)})
    await upload(session, large, "large", content)
    await asyncio.gather(*(download(session, large["files"]["large"]["url"], ROUND_FILE) for _ in range(4)))
    small = await send_artifact(session, [os.urandom(SMALL) for _ in range(50)])
    await read(session, f"/debusine/System/artifact/{small['id']}/download/?archive=tar.gz")
    await each(lambda _: read(session, "/api/1.0/work-request/?page_size=100"), count=20, concurrency=4)
    await each(lambda _: read(session, f"/api/1.0/artifact/{small['id']}/"), count=50, concurrency=16)


async def many_workers(server: Server) -> list[Measured]:
    """Five hundred workers that are connected, have told what they can do, and wait."""
    server.begin("500 workers")
    async with noop_workers(server, WORKERS, "idle"):
        await asyncio.sleep(2)
    return [Measured("memory-workers", server.memory.peak())]
