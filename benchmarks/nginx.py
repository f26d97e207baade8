"""What another server does with the same bytes: nginx with one worker, unhashed and unsynced, where it is installed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks.files import LARGE, download, large_content
from benchmarks.measured import CannotMeasure, Measured, timed
from benchmarks.server import MiB, Server
from scripts.demo.machine import free_port

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {place}/pid;
error_log {place}/errors;
events {{}}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {place}/bodies;
    proxy_temp_path {place}/t; fastcgi_temp_path {place}/t; uwsgi_temp_path {place}/t; scgi_temp_path {place}/t;
    server {{
        listen 127.0.0.1:{port};
        root {place}/files;
        client_max_body_size 0;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


async def nginx_transfers(server: Server) -> list[Measured]:
    """Send a file in one PUT, and get it back."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise CannotMeasure("nginx", "it is not installed (Debian's package nginx-light)")
    content = large_content()
    async with nginx(program, server.data.parent / "nginx") as url, aiohttp.ClientSession(url) as session:
        with timed() as up:
            async with session.put("/large", data=memoryview(content)) as answer:
                assert answer.status == 201, answer
        _, down = await download(session, "/large", LARGE)
    return [
        Measured("nginx-upload", LARGE / MiB / up.seconds),
        Measured("nginx-download", LARGE / MiB / down),
    ]


@asynccontextmanager
async def nginx(program: str, place: Path) -> AsyncIterator[str]:
    """An nginx on a free port, gone with the block and with what was sent to it."""
    port = free_port(0)
    for directory in (place, place / "files"):
        directory.mkdir()
        directory.chmod(0o777)  # started as root, it works as another user
    place.parent.chmod(0o755)
    (place / "nginx.conf").write_text(CONFIGURATION.format(place=place, port=port))
    process = await asyncio.create_subprocess_exec(program, "-c", str(place / "nginx.conf"))
    try:
        await accepts(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, place)


async def accepts(port: int) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
