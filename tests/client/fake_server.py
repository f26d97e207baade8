"""A server that speaks the protocol from memory, and misbehaves when it is told to."""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from attrs import Factory, define, frozen

CREATED_AT = "2026-11-23T09:34:23.051809Z"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@frozen
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def content_range(self) -> str | None:
        return self.headers.get("Content-Range")


@define
class Upload:
    """A file that was declared, and the bytes of it that are here."""

    size: int
    sha256: str
    content_type: str | None
    received: bytes = b""
    complete: bool = False


@define
class FakeServer:
    """Artifacts, relations and work requests in memory; ``misbehave`` replaces the answer to one request to come."""

    seen: list[Seen] = Factory(list)
    artifacts: dict[int, dict[str, Any]] = Factory(dict)
    uploads: dict[int, dict[str, Upload]] = Factory(dict)
    relations: list[dict[str, Any]] = Factory(list)
    work_requests: dict[int, dict[str, Any]] = Factory(dict)
    faults: list[tuple[str, str, Handler]] = Factory(list)
    #: What those who watch completions hear: on each connection a list, then the line is closed.
    said: list[list[Any]] = Factory(list)
    at_once: int = 0
    most_at_once: int = 0

    def misbehave(self, method: str, pattern: str, answer: Handler, times: int = 1) -> None:
        """Answer the next fitting requests in another way."""
        self.faults += [(method, pattern, answer)] * times

    def requests(self, method: str, pattern: str = "") -> list[Seen]:
        """What arrived so far."""
        return [seen for seen in self.seen if seen.method == method and re.search(pattern, seen.path)]

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._middleware])
        app.router.add_post("/api/1.0/artifact/", self.create_artifact)
        app.router.add_get(r"/api/1.0/artifact/{id:\d+}{slash:/?}", self.get_artifact)
        app.router.add_put(r"/api/1.0/artifact/{id:\d+}/files/{path:.+}/", self.put_file)
        app.router.add_get(r"/debusine/System/artifact/{id:\d+}/download/{path:.*}", self.download)
        app.router.add_post("/api/1.0/artifact-relation/", self.create_relation)
        app.router.add_get("/api/1.0/artifact-relation/", self.list_relations)
        app.router.add_post("/api/1.0/work-request/", self.create_work_request)
        app.router.add_get("/api/1.0/work-request/", self.list_work_requests)
        app.router.add_get(r"/api/1.0/work-request/{id:\d+}/", self.get_work_request)
        app.router.add_patch(r"/api/1.0/work-request/{id:\d+}/", self.update_work_request)
        app.router.add_post(r"/api/1.0/work-request/{id:\d+}/retry/", self.retry_work_request)
        app.router.add_post(r"/api/1.0/work-request/{id:\d+}/abort/", self.abort_work_request)
        app.router.add_get("/api/ws/1.0/work-request/on-completed/", self.tell_completions)
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request, handler)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        for fault in self.faults:
            method, pattern, answer = fault
            if request.method == method and re.search(pattern, request.path_qs):
                self.faults.remove(fault)
                self.seen.append(Seen(request.method, request.path_qs, dict(request.headers)))
                return await answer(request)
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        return await handler(request)

    async def create_artifact(self, request: web.Request) -> web.Response:
        submission = await request.json()
        id_ = len(self.artifacts) + 1
        self.artifacts[id_] = submission
        self.uploads[id_] = {
            path: Upload(file["size"], file["checksums"]["sha256"], file["content_type"], complete=file["size"] == 0)
            for path, file in submission["files"].items()
        }
        return web.json_response(self.artifact(id_, request), status=201)

    def artifact(self, id_: int, request: web.Request) -> dict[str, Any]:
        submission, base = self.artifacts[id_], f"{request.url.origin()}/debusine/System/artifact/{id_}/download/"
        return {
            "id": id_,
            "url": f"/debusine/System/artifact/{id_}/",
            "scope": "debusine",
            "workspace": submission.get("workspace", "System"),
            "category": submission["category"],
            "data": submission["data"],
            "created_at": CREATED_AT,
            "expire_at": submission.get("expire_at"),
            "download_tar_gz_url": f"{base}?archive=tar.gz",
            "files_to_upload": sorted(path for path, file in self.uploads[id_].items() if not file.complete),
            "files": {
                path: {
                    "size": file.size,
                    "checksums": {"sha256": file.sha256},
                    "type": "file",
                    "url": str(request.url.origin() / f"debusine/System/artifact/{id_}/download/{path}"),
                    "content_type": file.content_type,
                }
                for path, file in sorted(self.uploads[id_].items())
            },
            "a_key_of_tomorrow": True,
        }

    async def get_artifact(self, request: web.Request) -> web.Response:
        id_ = int(request.match_info["id"])
        if id_ not in self.artifacts:
            return problem(404, "No such artifact")
        return web.json_response(self.artifact(id_, request))

    async def put_file(self, request: web.Request) -> web.Response:
        upload = self.uploads[int(request.match_info["id"])][request.match_info["path"]]
        content_range = request.headers.get("Content-Range")
        if content_range is not None and content_range.startswith("bytes */"):
            return self.probed(upload, content_range)
        start = int(content_range.split()[1].split("-")[0]) if content_range else 0
        if start > len(upload.received):
            return problem(400, "There is a gap")
        upload.received = upload.received[:start] + await request.read()
        return self.settle(upload)

    def probed(self, upload: Upload, content_range: str) -> web.Response:
        if content_range != f"bytes */{upload.size}":
            return problem(400, "Invalid file size")
        if upload.complete:
            return web.Response(status=200)
        return web.Response(status=206, headers={"Range": f"bytes=0-{len(upload.received)}"})

    def settle(self, upload: Upload) -> web.Response:
        if len(upload.received) < upload.size:
            return web.Response(status=200, headers={"Range": f"bytes=0-{len(upload.received)}"})
        if hashlib.sha256(upload.received).hexdigest() != upload.sha256:
            upload.received = b""
            return problem(409, "Invalid file hash")
        upload.complete = True
        return web.Response(status=201)

    async def download(self, request: web.Request) -> web.StreamResponse:
        uploads = self.uploads[int(request.match_info["id"])]
        if request.query.get("archive") == "tar.gz":
            return web.Response(body=tarball(uploads), content_type="application/octet-stream")
        content = uploads[request.match_info["path"]].received
        if "Range" not in request.headers:
            return web.Response(body=content)
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return web.Response(status=206, body=content[start:], headers=headers)

    async def create_relation(self, request: web.Request) -> web.Response:
        submission = await request.json()
        for relation in self.relations:
            if submission.items() <= relation.items():
                return web.json_response(relation, status=200)
        self.relations.append({"id": len(self.relations) + 1, **submission})
        return web.json_response(self.relations[-1], status=201)

    async def list_relations(self, request: web.Request) -> web.Response:
        wanted = {key.removesuffix("_artifact"): int(value) for key, value in request.query.items()}
        return web.json_response([relation for relation in self.relations if wanted.items() <= relation.items()])

    async def tell_completions(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in self.said.pop(0):
            await socket.send_json(message)
        await socket.close()
        return socket

    def add_work_request(self, **facts: Any) -> dict[str, Any]:
        id_ = len(self.work_requests) + 1
        self.work_requests[id_] = {
            "id": id_,
            "url": f"/debusine/System/work-request/{id_}/",
            "task_type": "Worker",
            "task_name": "noop",
            "task_data": {},
            "dynamic_task_data": None,
            "status": "pending",
            "result": "",
            "created_at": CREATED_AT,
            "started_at": None,
            "completed_at": None,
            "duration": None,
            "worker": None,
            "created_by": 1,
            "aborted_by": None,
            "priority_base": 0,
            "priority_adjustment": 0,
            "workflow_data": {},
            "event_reactions": {},
            "artifacts": [],
            "scope": "debusine",
            "workspace": "System",
            **facts,
        }
        return self.work_requests[id_]

    async def create_work_request(self, request: web.Request) -> web.Response:
        submission = await request.json()
        if submission["task_name"] == "unknown":
            detail = 'Task name: "unknown". Registered task names: noop'
            return problem(400, "Cannot create work request: task name is not registered", detail=detail)
        return web.json_response(self.add_work_request(**{"workspace": "System", **submission}))

    async def get_work_request(self, request: web.Request) -> web.Response:
        work_request = self.work_requests.get(int(request.match_info["id"]))
        return problem(404, "No such work request") if work_request is None else web.json_response(work_request)

    async def update_work_request(self, request: web.Request) -> web.Response:
        found = self.work_requests[int(request.match_info["id"])]
        found.update(await request.json())
        return web.json_response(found)

    async def retry_work_request(self, request: web.Request) -> web.Response:
        old = self.work_requests[int(request.match_info["id"])]
        assert await request.json() == {}
        if old["status"] != "aborted":
            return problem(400, "Cannot retry work request", detail="Only aborted or failed ones can be retried")
        new = self.add_work_request(supersedes=old["id"])
        old["superseded_by"] = new["id"]
        return web.json_response(new)

    async def abort_work_request(self, request: web.Request) -> web.Response:
        found = self.work_requests[int(request.match_info["id"])]
        assert await request.json() == {}
        if found["status"] in {"completed", "aborted"}:
            return problem(400, "Cannot abort work request", detail="It has ended")
        found.update(status="aborted", aborted_by=1, completed_at=CREATED_AT)
        return web.json_response(found)

    async def list_work_requests(self, request: web.Request) -> web.Response:
        """Pages of two, so that every list has several."""
        newest_first = sorted(self.work_requests.values(), key=lambda found: -found["id"])
        start = int(request.query.get("cursor", "0"))
        following = f"{request.url.origin()}/api/1.0/work-request/?cursor={start + 2}"
        more = start + 2 < len(newest_first)
        page = {"next": following if more else None, "previous": None, "results": newest_first[start : start + 2]}
        return web.json_response(page)


def problem(status: int, title: str, content_type: str = "application/problem+json", **more: Any) -> web.Response:
    """A problem; the header carries no charset unless it is asked for."""
    text = web.json_response({"title": title, **more}).body
    return web.Response(status=status, body=text, headers={"Content-Type": content_type})


def tarball(uploads: dict[str, Upload]) -> bytes:
    """The complete files as one archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, upload in uploads.items():
            member = tarfile.TarInfo(path)
            member.size = len(upload.received)
            archive.addfile(member, io.BytesIO(upload.received))
    return gzip.compress(buffer.getvalue())


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Break the line without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def answering(response: Callable[[], web.Response]) -> Handler:
    """Read the request, then answer with something fixed."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return response()

    return answer
