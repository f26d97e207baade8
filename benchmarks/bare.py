"""What transfers cost at least here: aiohttp handlers that do only what must be done, in a process of their own."""

import asyncio
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.files import ARTIFACTS, CHUNK, FILES, LARGE, READS, SMALL, download, large_content, read
from benchmarks.loops import run_fast
from benchmarks.measured import Measured, each, timed
from benchmarks.server import MiB, Server

PLACE = web.AppKey("place", Path)
DESCRIPTION = web.AppKey("description", bytes)


async def bare_transfers(server: Server) -> list[Measured]:
    """The same bytes in the same pieces, to and from bare handlers."""
    async with bare_server(server.data.parent / "bare") as url, aiohttp.ClientSession(url) as session:
        up, name = await send_chunks(session, large_content())
        _, down = await download(session, f"/{name}", LARGE)
    return [Measured("bare-upload", LARGE / MiB / up), Measured("bare-download", LARGE / MiB / down)]


async def bare_small_files(server: Server) -> list[Measured]:
    """As many small files, without a database."""
    async with bare_server(server.data.parent / "bare-small") as url, aiohttp.ClientSession(url) as session:
        return [Measured("bare-small", ARTIFACTS * FILES / await send_small(session))]


async def bare_json(server: Server) -> list[Measured]:
    """As many bytes of JSON."""
    async with bare_server(server.data.parent / "bare-json") as url, aiohttp.ClientSession(url) as session:
        with timed() as asked:
            await each(lambda _: read(session, "/description"), count=READS, concurrency=16)
    return [Measured("bare-json", READS / asked.seconds)]


async def send_chunks(session: aiohttp.ClientSession, content: bytes) -> tuple[float, str]:
    """Seconds to send a file in chunks, and the name under which the whole of it is found."""
    view = memoryview(content)
    name = secrets.token_hex(8)
    with timed() as sent:
        for start in range(0, len(content), CHUNK):
            end = "?end=1" if start + CHUNK >= len(content) else ""
            async with session.put(f"/{name}{end}", data=view[start : start + CHUNK]) as answer:
                assert answer.status == 201
    return sent.seconds, name


async def send_small(session: aiohttp.ClientSession) -> float:
    """Seconds to send as many small files as the farm gets."""
    contents = [os.urandom(SMALL) for _ in range(ARTIFACTS * FILES)]

    async def send(number: int) -> None:
        async with session.put(f"/{secrets.token_hex(8)}?end=1", data=contents[number]) as answer:
            assert answer.status == 201

    with timed() as sent:
        await each(send, count=len(contents), concurrency=8)
    return sent.seconds


@asynccontextmanager
async def bare_server(place: Path) -> AsyncIterator[str]:
    """The bare handlers on a free port, gone with the block and with what was sent to them."""
    command = (sys.executable, "-m", "benchmarks.bare", str(place))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


async def keep(request: web.Request) -> web.Response:
    """Append one body, hash and sync it; after the last one rename the file and sync the directory."""
    place = request.app[PLACE]
    name = request.match_info["name"]
    digest = hashlib.sha256()
    with (place / f"{name}.partial").open("ab") as file:
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fdatasync(file.fileno())
    if "end" in request.query:
        (place / f"{name}.partial").rename(place / name)
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return web.Response(status=201)


async def give(request: web.Request) -> web.FileResponse:
    """Send a file back."""
    return web.FileResponse(request.app[PLACE] / request.match_info["name"])


async def describe(request: web.Request) -> web.Response:
    """Send about as many bytes as describe an artifact with 100 files."""
    return web.Response(body=request.app[DESCRIPTION], content_type="application/json")


async def serve(place: Path) -> None:
    """Serve on a free port, and say which."""
    app = web.Application(client_max_size=0)
    app[PLACE] = place
    app[DESCRIPTION] = b"x" * 25_000
    app.router.add_put("/{name}", keep)
    app.router.add_get("/description", describe)
    app.router.add_get("/{name}", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir()
    run_fast(serve(place))
