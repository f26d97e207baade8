"""What a creation costs at least here: an aiohttp handler that reads JSON, commits one row durably and answers."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.loops import run_fast
from benchmarks.measured import Measured, each, timed
from benchmarks.server import Server

BODY = {"task_name": "noop", "task_data": {"result": True}, "event_reactions": {}}
COUNT = 2000


async def bare_creation(server: Server) -> list[Measured]:
    """The same requests to the bare handler, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare_work", str(server.data.parent), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    try:
        async with aiohttp.ClientSession() as session:

            async def create(_: int) -> None:
                async with session.post(url, json=BODY) as answer:
                    assert answer.status == 200

            with timed() as created:
                await each(create, count=COUNT, concurrency=16)
    finally:
        process.terminate()
        await process.wait()
    return [Measured("bare-create", COUNT / created.seconds)]


async def keep(request: web.Request) -> web.Response:
    """Commit one row."""
    body = await request.json()
    database = request.app[DATABASE]
    row = database.execute("INSERT INTO rows (body) VALUES (?)", [str(body)])
    database.commit()
    return web.json_response({"id": row.lastrowid, **body})


async def serve(place: Path) -> None:
    """Serve on a free port, and say which."""
    app = web.Application()
    app[DATABASE] = sqlite3.connect(place / "bare.sqlite")
    app[DATABASE].executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)"
    )
    app.router.add_post("/", keep)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/", flush=True)
    await asyncio.Event().wait()


DATABASE = web.AppKey("database", sqlite3.Connection)

if __name__ == "__main__":
    run_fast(serve(Path(sys.argv[1])))
