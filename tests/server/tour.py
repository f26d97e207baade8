"""A tour: every route of the table is asked for what it is there for, and what is done in the background is done once.

Each visit has a label: the method and path of its route, and in parentheses what is special about it. Tests of what
requests cost, and of how they are carried out, look at all of them.
"""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import evolve, frozen
from debusine_filestore_local.backend import LocalFileStore

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.scheduler.fifo import Fifo
from debusine.scheduler.timers import Timers
from debusine.server.keys import SENDER, SERVER, UPLOADS
from debusine.server.pages.layout import STYLESHEET
from debusine.server.sightings import SIGHTINGS
from debusine.server.sockets.workers import WORKER_SOCKETS
from debusine.services import abandoned_uploads, accounts, outbox, servers
from debusine.testing import MemoryNotificationMethod, plugin_manager
from tests.farm import Answer, Farm, make_worker, open_farm
from tests.notifying import add_channel, reaction
from tests.server.filing import submission
from tests.server.recording import Recording
from tests.server.work_farm import API, PATIENCE, PATIENT, SOCKET, HandWorker, becomes, ready_worker, submit
from tests.work import Echo

ARTIFACT, RELATION, WORK = f"{API}/artifact/", f"{API}/artifact-relation/", f"{API}/work-request/"
PAGE = "/{scope}/{workspace}/artifact/{id}"
ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"
CHUNK = 1000


@asynccontextmanager
async def open_tour_farm(database: Database, directory: Path) -> AsyncIterator[Farm]:
    """A farm with all that a tour needs; what is done now and then is done when the tour says so."""
    plugins = plugin_manager(
        file_stores=[LocalFileStore],
        scheduler_policies=[Fifo],
        tasks=[Echo],
        notification_methods=[MemoryNotificationMethod],
    )
    async with open_farm(database, directory, plugins=plugins, limits=evolve(PATIENT, sweep=3600)) as farm:
        yield farm


async def make_tour(recorded: Recording, items: int) -> None:
    """Ask for everything; where a visit deals with several things of a kind, there are so many of them."""
    await add_channel(recorded.farm.database)
    idle = await recorded.farm.database.write(
        lambda uow: [make_worker(uow, f"idle{number}")[1] for number in range(items)]
    )
    tour = Tour(recorded, recorded.farm, items, idle[0])
    await tour.look_around()
    await tour.handle_artifacts()
    await tour.submit_and_change_work()
    await tour.work()
    await tour.wait_for_what_is_done_now_and_then()


@frozen
class Tour:
    """One that is under way."""

    recorded: Recording
    farm: Farm
    items: int
    #: The key of a worker that is not connected.
    idle: str

    async def look_around(self) -> None:
        """What says something of the farm itself."""
        for path in (f"{API}/limits/", f"{API}/whoami/", f"{API}/service-status/"):
            await self._get(f"GET {path}", path)
        for path in ("/", STYLESHEET, "/health", "/metrics", "/api/openapi.json"):
            await self._get(f"GET {path}", path, key=None)

    async def handle_artifacts(self) -> None:
        """Files go up and come down, artifacts are related."""
        files = {f"dir/{number}": b"%d" % number * CHUNK for number in range(self.items)}
        made = [await self._file_up(files), await self._file_up({"large": b"x" * 3 * CHUNK}, chunk=CHUNK)]
        await self._read(made[0], "dir/0")
        others = [await self._declare() for _ in range(self.items)]
        with self.recorded.asked(f"POST {RELATION}"):
            answer = await self.farm.post(RELATION, {"artifact": made[0], "target": made[1], "type": "relates-to"})
        for other in others:
            await self.farm.post(RELATION, {"artifact": made[0], "target": other, "type": "relates-to"})
            await self.farm.post(RELATION, {"artifact": other, "target": made[0], "type": "extends"})
        await self._get(f"GET {RELATION}", f"{RELATION}?artifact={made[0]}")
        await self._get(f"GET {RELATION} (of a target)", f"{RELATION}?target_artifact={made[0]}", key=None)
        with self.recorded.asked(f"DELETE {RELATION}{{id}}/"):
            assert (await self.farm.request("DELETE", f"{RELATION}{answer.json()['id']}/")).status == 204

    async def submit_and_change_work(self) -> None:
        """Work requests are made, seen, and changed."""
        waiting = [await self._submit("") for _ in range(self.items + 1)][-1]
        await self._submit(" (others will hear of it)", event_reactions={"on_creation": [reaction()]})
        await self._submit(" (with an artifact)", task_data={"input": await self._declare("System")})
        await self._get(f"GET {WORK}", WORK)
        await self._get(f"GET {WORK} (nobody's)", WORK, key=self.farm.people.user_key)
        following = (await self.farm.get(f"{WORK}?page_size=1")).json()["next"]
        cursor = following[following.index("cursor=") :]
        await self._get(f"GET {WORK} (further on)", f"{WORK}?{cursor.partition('&')[0]}")
        await self._get(f"GET {WORK}{{id}}/", f"{WORK}{waiting}/")
        await self._get(f"GET {WORK}{{id}}/explanation/", f"{WORK}{waiting}/explanation/")
        await self._get("GET /{scope}/{workspace}/work-request/{id}/", f"/debusine/System/work-request/{waiting}/")
        with self.recorded.asked(f"PATCH {WORK}{{id}}/"):
            answer = await self.farm.request("PATCH", f"{WORK}{waiting}/", json={"priority_adjustment": -1})
        assert answer.status == 200, answer
        for verb in ("abort", "retry"):
            with self.recorded.asked(f"POST {WORK}{{id}}/{verb}/"):
                assert (await self.farm.post(f"{WORK}{waiting}/{verb}/", {})).status == 200

    async def work(self) -> None:
        """A worker comes, works and goes, while somebody watches."""
        registration = {"token": "0123456789abcdef" * 4, "fqdn": "new.example.org", "worker_type": "external"}
        with self.recorded.asked(f"POST {API}/worker/register/"):
            assert (await self.farm.post(f"{API}/worker/register/", registration, key=None)).status == 201
        async with AsyncExitStack() as stack:
            with self.recorded.asked(f"GET {ON_COMPLETED}"):
                headers = {"token": self.farm.people.user_key}
                watcher = await stack.enter_async_context(self.farm.client.ws_connect(ON_COMPLETED, headers=headers))
                await self.recorded.until_ended(f"GET {ON_COMPLETED}", 3)  # who asks, where to begin, what was missed
            with self.recorded.asked(f"GET {SOCKET}"):
                worker = await stack.enter_async_context(ready_worker(self.farm))
            with self.recorded.asked(f"PUT {API}/worker/dynamic-metadata/"):
                await worker.tell_metadata()
            await self._work_off(worker, watcher)
            self.recorded.visit(leaving := f"GET {SOCKET} (the worker leaves)")
        await self.recorded.until_ended(leaving)
        self.recorded.visit("~")

    async def wait_for_what_is_done_now_and_then(self) -> None:
        """Everything that no event begins."""
        app = self.farm.client.app
        assert app is not None
        database, limits = self.farm.database, self.farm.settings.limits
        with self.recorded.asked("~now and then"):
            await database.write(servers.beat, app[SERVER])
            await app[SIGHTINGS].write()
            await database.read(accounts.still_valid_among, {self.farm.people.worker.token or 0})
            await app[WORKER_SOCKETS].sweep()
            await Timers(database, limits).sweep()
            await app[SENDER].sweep()
            await database.write(outbox.give_up, ["memory"], {}, 60.0)
            await database.write(outbox.forget, 0.0)
            await abandoned_uploads.collect(app[UPLOADS])
            await database.read(lambda uow: uow.uploads.names())

    async def _work_off(self, worker: HandWorker, watcher: aiohttp.ClientWebSocketResponse) -> None:
        done, last = 0, await submit(self.farm)
        await self.farm.database.write(self._let_wait, last)
        while done != last:
            await worker.until("work_request_available")
            with self.recorded.asked(f"GET {WORK}get-next-for-worker/"):
                work = await worker.get_next()
            assert work is not None
            done = work["id"]
            special = " (others wait for it)" if done == last else ""
            if done == last:
                await self._make_artifacts(worker, done)
            with self.recorded.asked(f"PUT {WORK}{{id}}/completed/{special}"):
                assert await worker.complete(done) == 200
            async with asyncio.timeout(PATIENCE):
                await watcher.receive()
        await becomes(self.farm, last, "completed")
        await self._get("GET /{scope}/{workspace}/work-request/{id}/ (done)", f"/debusine/System/work-request/{done}/")
        with self.recorded.asked(f"GET {WORK}get-next-for-worker/ (in vain)"):
            assert (await self.farm.get(f"{WORK}get-next-for-worker/", key=self.idle)).status == 204

    async def _make_artifacts(self, worker: HandWorker, work_request: int) -> None:
        for number in range(self.items + 1):
            body = submission({str(number): b""}, work_request=work_request)
            with self.recorded.asked(f"POST {ARTIFACT} (of a worker)"):
                answer = await self.farm.post(ARTIFACT, body, key=worker.key, headers={"X-Debusine-Attempt": "1"})
            assert answer.status == 201, answer
        path = f"{ARTIFACT}{answer.json()['id']}/"
        await self._get(f"GET {ARTIFACT}{{id}}/ (of a worker)", path, key=worker.key)

    def _let_wait(self, uow: UnitOfWork, work_request: int) -> None:
        """Have others wait for a work request."""
        found = uow.work_requests.get(work_request)
        values = {name: getattr(found, name) for name in ("workspace", "created_by", "created_at", "task_type")}
        values |= {"task_name": found.task_name, "task_data": {}, "demand": found.demand, "timeout": found.timeout}
        for _ in range(self.items):
            blocked = uow.work_requests.insert(**values, status="blocked", event_reactions={})
            uow.work_requests.add_dependency(blocked.id, work_request)

    async def _submit(self, special: str, **values: Any) -> int:
        with self.recorded.asked(f"POST {WORK}{special}"):
            answer = await self.farm.post(WORK, {"task_name": "echo", "task_data": {}} | values)
        assert answer.status == 200, answer
        return int(answer.json()["id"])

    async def _declare(self, workspace: str = "Public") -> int:
        answer = await self.farm.post(ARTIFACT, submission({}, workspace=workspace))
        return int(answer.json()["id"])

    async def _file_up(self, files: dict[str, bytes], chunk: int | None = None) -> int:
        special = "" if chunk is None else " (one file)"
        with self.recorded.asked(f"POST {ARTIFACT}{special}"):
            answer = await self.farm.post(ARTIFACT, submission(files, workspace="Public"))
        id_ = int(answer.json()["id"])
        for path, content in files.items():
            for start in range(0, len(content), chunk or len(content)):
                await self._put(id_, path, content, start, chunk)
        with self.recorded.asked(f"POST {ARTIFACT} (its files are here){special}"):
            assert not (await self.farm.post(ARTIFACT, submission(files, workspace="Public"))).json()["files_to_upload"]
        return id_

    async def _put(self, artifact: int, path: str, content: bytes, start: int, chunk: int | None) -> None:
        url, label, headers = f"{ARTIFACT}{artifact}/files/{path}/", f"PUT {ARTIFACT}{{id}}/files/{{path}}/", {}
        stop = start + (chunk or len(content))
        if chunk is not None:
            with self.recorded.asked(f"{label} (a question)"):
                await self.farm.put(url, headers={"Content-Range": f"bytes */{len(content)}"})
            headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
            label += (
                " (the first chunk)" if not start else " (the last chunk)" if stop == len(content) else " (a chunk)"
            )
        with self.recorded.asked(label):
            answer = await self.farm.put(url, data=io.BytesIO(content[start:stop]), headers=headers)
        assert answer.status == (201 if stop == len(content) else 200), answer

    async def _read(self, artifact: int, path: str) -> None:
        for who, key in (("", ""), (" (of nobody)", None)):
            await self._get(f"GET {ARTIFACT}{{id}}/{who}", f"{ARTIFACT}{artifact}/", key=key)
        await self._get(f"GET {ARTIFACT}{{id}}", f"{ARTIFACT}{artifact}")
        page = f"/debusine/Public/artifact/{artifact}"
        await self._get(f"GET {PAGE}/", f"{page}/")
        await self._get(f"GET {PAGE}/download/{{path}}", f"{page}/download/{path}")
        await self._get(f"GET {PAGE}/download/{{path}} (an archive)", f"{page}/download/?archive=tar.gz", key=None)

    async def _get(self, label: str, path: str, **options: Any) -> Answer:
        with self.recorded.asked(label):
            answer = await self.farm.get(path, **options)
        assert answer.status == 200, (label, answer)
        return answer
