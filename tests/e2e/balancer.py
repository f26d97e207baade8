"""A balancer: every request goes to the next of several servers."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web
from attrs import define, field

#: Of the connection, not of what is carried.
HOP = {"Connection", "Keep-Alive", "Transfer-Encoding"}


@define(eq=False)
class Balancer:
    """Hands on what comes to the next server, and answers 502 when that one is away."""

    #: HOST:PORT of each, again and again.
    servers: Iterator[str]
    address: str = ""
    #: The servers, in the order of the uploads that they took; and those that did not answer.
    uploads: list[str] = field(factory=list)
    away: list[str] = field(factory=list)
    _session: aiohttp.ClientSession | None = None

    async def _carry(self, request: web.Request) -> web.Response:
        assert self._session is not None
        server = next(self.servers)
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        try:
            async with self._session.request(
                request.method, f"http://{server}{request.raw_path}", headers=headers, data=request.content,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                body = await answer.read()
        except aiohttp.ClientError:
            self.away.append(server)
            return web.Response(status=502)
        if request.method == "PUT":
            self.uploads.append(server)
        kept = {name: value for name, value in answer.headers.items() if name not in HOP | {"Content-Length"}}
        return web.Response(status=answer.status, headers=kept, body=body)

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        """Listen until it is over."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._carry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as self._session:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.address = "{}:{}".format(*runner.addresses[0])
            ready.set()
            await over.wait()
        await runner.cleanup()


@contextmanager
def balancing(*servers: str) -> Iterator[Balancer]:
    """A balancer in a thread, as long as the block lasts."""
    balancer = Balancer(itertools.cycle(servers))
    ready, over, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(balancer.serve(ready, over)))
    thread.start()
    assert ready.wait(10)
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
