"""A server for workers, as small as the protocol allows, that remembers what it was told and can be made to fail."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web
from attrs import define, field

from tests.ports import reserved_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


def problem(status: int, title: str) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps({"title": title}).encode(),
        headers={"Content-Type": "application/problem+json"},
    )


@define(kw_only=True)
class FakeArtifact:
    """An artifact of the fake server."""

    id: int
    category: str
    data: dict[str, Any]
    work_request: int | None = None
    attempt: str | None = None
    #: Path → size, hash.
    declared: dict[str, Any] = field(factory=dict)
    contents: dict[str, bytes] = field(factory=dict)

    @property
    def missing(self) -> list[str]:
        return sorted(self.declared.keys() - self.contents.keys())


@define(kw_only=True)
class FakeServer:
    """What the server holds, and what it was told."""

    token: str = "t" * 64
    #: What get-next hands out, in order.
    queue: list[dict[str, Any]] = field(factory=list)
    artifacts: dict[int, FakeArtifact] = field(factory=dict)
    relations: set[tuple[int, int, str]] = field(factory=set)
    #: (work request, attempt header, body).
    completed: list[tuple[int, str | None, dict[str, Any]]] = field(factory=list)
    metadata: list[dict[str, Any]] = field(factory=list)
    registrations: list[tuple[dict[str, Any], str | None]] = field(factory=list)
    #: The header of each handshake and of each get-next.
    told_running: list[tuple[str, str | None]] = field(factory=list)
    #: What is said on a new socket after the acceptance.
    greetings: list[dict[str, Any]] = field(factory=list)
    #: Called before each HTTP request; what it returns is the answer.
    fault: Callable[[web.Request], web.StreamResponse | None] = lambda _request: None
    register_status: int = 201
    sockets: list[web.WebSocketResponse] = field(factory=list)
    changed: asyncio.Condition = field(factory=asyncio.Condition)
    url: str = ""
    _runner: web.AppRunner | None = None

    def add_work(self, task_name: str, task_data: Mapping[str, Any], **facts: Any) -> int:
        """Hand this out next."""
        id_ = facts.pop("id", len(self.queue) + len(self.completed) + 1)
        self.queue.append(
            {
                "id": id_,
                "url": f"/w/{id_}/",
                "task_type": "Worker",
                "task_name": task_name,
                "task_data": dict(task_data),
                "dynamic_task_data": {},
                "status": "pending",
                "result": "",
                "created_at": CREATED_AT,
                "priority_base": 0,
                "priority_adjustment": 0,
                "artifacts": [],
                "workspace": "System",
                "attempt": 1,
                "timeout": 600,
                **facts,
            }
        )
        return int(id_)

    def add_artifact(self, category: str, data: Mapping[str, Any], files: Mapping[str, bytes]) -> int:
        """An artifact that somebody else made."""
        artifact = FakeArtifact(id=len(self.artifacts) + 1, category=category, data=dict(data))
        for path, content in files.items():
            artifact.declared[path] = {
                "size": len(content),
                "checksums": {"sha256": hashlib.sha256(content).hexdigest()},
            }
            artifact.contents[path] = content
        self.artifacts[artifact.id] = artifact
        return artifact.id

    def made(self, category: str) -> list[FakeArtifact]:
        """The artifacts of a category that workers made."""
        made = (artifact for artifact in self.artifacts.values() if artifact.work_request is not None)
        return [artifact for artifact in made if artifact.category == category]

    def has_completed(self, number: int) -> bool:
        """Whether that many reports came."""
        return len(self.completed) >= number

    async def say(self, **message: Any) -> None:
        """Speak to all workers that listen."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_json(message)

    async def announce_work(self) -> None:
        await self.say(text="work_request_available")

    async def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something to be true after a request."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)

    async def start(self, port: int) -> None:
        """Serve, again where it was."""
        app = web.Application(client_max_size=1 << 30, middlewares=[self._with_faults])
        app.add_routes(
            [
                web.post("/api/1.0/worker/register/", self._register),
                web.put("/api/1.0/worker/dynamic-metadata/", self._metadata),
                web.get("/api/1.0/work-request/get-next-for-worker/", self._get_next),
                web.put("/api/1.0/work-request/{id:\\d+}/completed/", self._completed),
                web.post("/api/1.0/artifact/", self._create_artifact),
                web.get("/api/1.0/artifact/{id:\\d+}/", self._get_artifact),
                web.put("/api/1.0/artifact/{id:\\d+}/files/{path:.+}/", self._put_file),
                web.get("/download/{id:\\d+}/{path:.+}", self._download),
                web.post("/api/1.0/artifact-relation/", self._relate),
                web.get("/api/ws/1.0/worker/connect/", self._listen),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Go away as a killed server does."""
        for socket in self.sockets:
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = self.fault(request)
        try:
            return answer if answer is not None else await handler(request)
        finally:
            async with self.changed:
                self.changed.notify_all()

    async def _register(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.registrations.append((body, request.headers.get("Token")))
        if self.register_status != 201:
            return problem(self.register_status, "Cannot deserialize worker")
        self.token = body["token"]
        return web.Response(status=201)

    async def _metadata(self, request: web.Request) -> web.Response:
        self.metadata.append(await request.json())
        return web.Response(status=204)

    async def _get_next(self, request: web.Request) -> web.Response:
        self.told_running.append(("get-next", request.headers.get("X-Debusine-Running")))
        return web.json_response(self.queue.pop(0)) if self.queue else web.Response(status=204)

    async def _completed(self, request: web.Request) -> web.Response:
        attempt = request.headers.get("X-Debusine-Attempt")
        self.completed.append((int(request.match_info["id"]), attempt, await request.json()))
        return web.Response(status=200)

    async def _create_artifact(self, request: web.Request) -> web.Response:
        body = await request.json()
        id_ = max(self.artifacts, default=0) + 1
        attempt = request.headers.get("X-Debusine-Attempt")
        artifact = FakeArtifact(
            id=id_, category=body["category"], data=body["data"], work_request=body["work_request"], attempt=attempt
        )
        artifact.declared = body["files"]
        artifact.contents = {path: b"" for path, facts in artifact.declared.items() if facts["size"] == 0}
        self.artifacts[id_] = artifact
        return web.json_response(self._described(artifact), status=201)

    async def _get_artifact(self, request: web.Request) -> web.Response:
        artifact = self.artifacts.get(int(request.match_info["id"]))
        return problem(404, "No such artifact") if artifact is None else web.json_response(self._described(artifact))

    def _described(self, artifact: FakeArtifact) -> dict[str, Any]:
        files = {
            path: {**facts, "type": "file", "url": f"{self.url}/download/{artifact.id}/{path}"}
            for path, facts in artifact.declared.items()
        }
        return {
            "id": artifact.id,
            "url": f"/a/{artifact.id}/",
            "workspace": "System",
            "category": artifact.category,
            "data": artifact.data,
            "created_at": CREATED_AT,
            "download_tar_gz_url": f"{self.url}/download/{artifact.id}/",
            "files_to_upload": artifact.missing,
            "files": files,
        }

    async def _put_file(self, request: web.Request) -> web.Response:
        artifact, path = self.artifacts[int(request.match_info["id"])], request.match_info["path"]
        told = request.headers.get("Content-Range", "")
        if told.startswith("bytes */"):
            return web.Response(status=206, headers={"Range": "bytes=0-0"})
        content = artifact.contents.pop(path, b"") if told and not told.startswith("bytes 0-") else b""
        content += await request.read()
        artifact.contents[path] = content
        if len(content) < artifact.declared[path]["size"]:
            return web.Response(status=200, headers={"Range": f"bytes=0-{len(content)}"})
        assert hashlib.sha256(content).hexdigest() == artifact.declared[path]["checksums"]["sha256"]
        return web.Response(status=201)

    async def _download(self, request: web.Request) -> web.Response:
        artifact = self.artifacts[int(request.match_info["id"])]
        return web.Response(body=artifact.contents[request.match_info["path"]])

    async def _relate(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.relations.add((body["artifact"], body["target"], body["type"]))
        return web.json_response({"id": len(self.relations), **body}, status=201)

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        self.told_running.append(("handshake", request.headers.get("X-Debusine-Running")))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if request.headers.get("Token") != self.token:
            await socket.send_json(
                {"type": "connection_rejected", "reason": "disabled", "reason_code": "TOKEN_DISABLED"}
            )
            await socket.close()
            return socket
        self.sockets.append(socket)
        await socket.send_json({"type": "websocket.send", "text": "connected"})
        for greeting in self.greetings:
            await socket.send_json(greeting)
        if self.queue:
            await socket.send_json({"type": "websocket.send", "text": "work_request_available"})
        async with self.changed:
            self.changed.notify_all()
        async for frame in socket:
            assert frame.type is not WSMsgType.TEXT, "workers never speak"
        return socket


@asynccontextmanager
async def running_fake_server() -> AsyncIterator[FakeServer]:
    """A fake server on a port of its own."""
    with reserved_port() as port:
        server = FakeServer()
        await server.start(port)
        try:
            yield server
        finally:
            await server.stop()
