"""What an upload costs at least here: an aiohttp handler that hashes, writes, syncs and renames, no more."""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.files import CHUNK, LARGE
from benchmarks.measured import Measured, timed
from benchmarks.server import MiB, Server


async def bare_upload(server: Server) -> list[Measured]:
    """The same bytes in the same chunks to the bare handler, in a process of its own."""
    place = server.farm.data / "bare"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare", str(place), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    content = memoryview(os.urandom(LARGE))
    try:
        async with aiohttp.ClientSession() as session:
            with timed() as sent:
                for start in range(0, LARGE, CHUNK):
                    async with session.put(url, data=content[start : start + CHUNK]) as answer:
                        assert answer.status == 201
    finally:
        process.terminate()
        await process.wait()
    return [Measured("the same to a bare handler", LARGE / MiB / sent.seconds, "MiB/s")]


async def keep(request: web.Request) -> web.Response:
    """Write, hash, sync and rename one body."""
    place: Path = request.app[PLACE]
    digest = hashlib.sha256()
    with (place / "partial").open("wb") as file:
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fdatasync(file.fileno())
    (place / "partial").rename(place / digest.hexdigest())
    return web.Response(status=201)


async def serve(place: Path) -> None:
    """Serve on a free port, and say which."""
    app = web.Application(client_max_size=0)
    app[PLACE] = place
    app.router.add_put("/", keep)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/", flush=True)
    await asyncio.Event().wait()


PLACE = web.AppKey("place", Path)

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir()
    asyncio.run(serve(directory))
