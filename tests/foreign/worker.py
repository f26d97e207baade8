"""A worker that knows the protocol and nothing of this project; its habits are those of an installed one.

    python -m tests.foreign.worker [--scale 0.01] [--pretend] [--hold]

Its files are below ``$HOME/.config/debusine/worker``. Exit statuses: 3 registration refused or a token that others
can read; 1 the end of a task could not be reported, or a signal came.
"""

import argparse
import asyncio
import configparser
import json
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field

from tests.foreign.reading import WORK_REQUEST, Json, read
from tests.foreign.task_classes import CLASSES, CannotConfigure
from tests.foreign.tasks import EARNEST, Run, architecture, pretend, wait
from tests.foreign.transport import Transport

#: Seconds.
HEARTBEAT, LOCK_PATIENCE, RECONNECT = 60.0, 60.0, (1.0, 6.0)


def say(*words: object) -> None:
    """Write a line of the log."""
    print(*words, file=sys.stderr, flush=True)


@define
class Worker:
    """The daemon."""

    home: Path
    scale: float
    tasks: Mapping[str, Callable[[Run], bool]]
    api_url: str = ""
    token: str = ""
    #: One task at a time.
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    background: set[asyncio.Task[None]] = field(factory=set)

    @property
    def directory(self) -> Path:
        return self.home / ".config/debusine/worker"

    @property
    def transport(self) -> Transport:
        return Transport(self.api_url, self.token, scale=self.scale)

    async def run(self) -> None:
        """Register if need be, then be connected, again and again."""
        configuration = configparser.ConfigParser()
        configuration.read(self.directory / "config.ini")
        self.api_url = configuration["General"]["api-url"]
        self.token = self._secret("token") or self._register()
        while True:
            try:
                await self._listen()
            except (aiohttp.ClientError, OSError) as error:
                say("Error connecting:", error)
            await asyncio.sleep(random.uniform(*RECONNECT) * self.scale)

    def _secret(self, name: str) -> str:
        path = self.directory / name
        if not path.exists():
            return ""
        if path.stat().st_mode & 0o077:
            say(f"{path} can be read by others")
            sys.exit(3)
        return path.read_text().strip()

    def _register(self) -> str:
        token = secrets.token_hex(32)
        value = {"token": token, "fqdn": f"{self.home.name}.example.org", "worker_type": "external"}
        headers = {"Content-Type": "application/json"}
        transport = Transport(self.api_url, self._secret("activation-token") or None)
        answer = transport.request("POST", transport.base + "worker/register/", json.dumps(value).encode(), headers)
        if answer.status != 201:
            say("Could not register:", answer)
            sys.exit(3)
        path = self.directory / "token"
        path.touch(mode=0o600)
        path.write_text(token)
        return token

    async def _listen(self) -> None:
        url = self.api_url.replace("http", "ws", 1) + "/ws/1.0/worker/connect/"
        async with aiohttp.ClientSession() as session:
            socket = session.ws_connect(url, headers={"token": self.token}, heartbeat=HEARTBEAT * self.scale)
            async with socket as messages:
                async for message in messages:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._dispatch(message.data)
        say("Disconnected")

    def _dispatch(self, data: str) -> None:
        """First by ``text``; without one by ``reason_code``; else there is only a reason to log."""
        try:
            message = json.loads(data)
        except ValueError:
            say("Ignored:", data)
            return
        if message.get("text") == "connected":
            say("Connected to", self.api_url)
        elif message.get("text") == "request_dynamic_metadata":
            self._start(self._tell_metadata())
        elif message.get("text") == "work_request_available":
            self._start(self._work())
        elif message.get("reason_code") == "TOKEN_DISABLED":
            say("The token is disabled. Reason:", message.get("reason"))
        else:
            say("Ignored or disconnected:", message)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            say("Task failed:", repr(error))
            os._exit(1)

    async def _tell_metadata(self) -> None:
        body = json.dumps(self._metadata()).encode()
        url, headers = self.transport.base + "worker/dynamic-metadata/", {"Content-Type": "application/json"}
        answer = await asyncio.to_thread(self.transport.request, "PUT", url, body, headers)
        say("Metadata:", answer.status)

    def _metadata(self) -> Json:
        here = architecture()
        programs = {"sbuild": "sbuild", "autopkgtest": "autopkgtest", "mmdebstrap": "mmdebstrap"}
        return {
            "system:cpu_count": os.cpu_count(),
            "system:total_physical_memory": 2 << 30,
            "system:worker_type": "external",
            "system:host_architecture": here,
            "system:architectures": [here],
            "executor:incus-lxc:available": False,
            "executor:incus-vm:available": False,
            "executor:qemu:available": False,
            "executor:unshare:available": True,
            **{f"{task}:version": 1 for task in self.tasks},
            **{
                f"{task}:available": task in self.tasks and (self.tasks[task] is pretend or bool(shutil.which(program)))
                for task, program in programs.items()
            },
            "simplesystemimagebuild:available": "simplesystemimagebuild" in self.tasks,
        }

    async def _work(self) -> None:
        """Ask for work, unless something is still being done for longer than one waits."""
        try:
            async with asyncio.timeout(LOCK_PATIENCE * self.scale):
                await self.lock.acquire()
        except TimeoutError:
            return
        try:
            work = await asyncio.to_thread(self._next)
            if work is not None:
                result = await asyncio.to_thread(self._execute, work)
                await asyncio.to_thread(self._complete, work["id"], result)
        finally:
            self.lock.release()

    def _next(self) -> Json | None:
        answer = self.transport.request("GET", self.transport.base + "work-request/get-next-for-worker/")
        if answer.status != 200:
            return None
        return read(json.loads(answer.body), WORK_REQUEST)

    def _complete(self, number: int, result: Json) -> None:
        url = f"{self.transport.base}work-request/{number}/completed/"
        headers = {"Content-Type": "application/json"}
        try:
            answer = self.transport.request("PUT", url, json.dumps(result).encode(), headers)
            if answer.status != 200 or answer.body:
                raise RuntimeError(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the real one ends
            say("Cannot reach server to report work request completed. Exiting.", repr(error))
            os._exit(1)
        say("Completed", number, result["result"])

    def _execute(self, work: Json) -> Json:
        """From the task's constructor to its debug logs."""
        name = work["task_name"]
        if work["task_type"] != "Worker":
            return _error("wrong-task-type", work["task_type"])
        if name not in CLASSES or name not in self.tasks:
            return _error("setup-failed", f"Task: {name} Error setup: not here")
        try:
            CLASSES[name].check(work["task_data"], work["dynamic_task_data"])
        except CannotConfigure as error:
            return _error("configure-failed", str(error))
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.home))
        directory.chmod(0o711)  # the root of a build is a subordinate id, and goes through it
        run = Run(self.transport, work, directory, self.home)
        try:
            return self._run_stages(run, self.tasks[name])
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run_stages(self, run: Run, task: Callable[[Run], bool]) -> Json:
        try:
            if run.work["task_name"] != "noop":
                assert run.work["dynamic_task_data"] is not None
            success = task(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into a log
            run.logs["stages.log"] = repr(error)
            success = False
        files = {}
        for log, text in run.logs.items() if not success else ():
            files[log] = run.directory / f"debug-{log}"
            files[log].write_text(text or "nothing")
        debug = run.make("debusine:work-request-debug-logs", ({}, files))
        for artifact in dict.fromkeys(run.fetched):
            run.transport.relate(debug, artifact, "relates-to")
        statistics = {"duration": 0, "cpu_time": 0, "memory": None}
        return {"result": "success" if success else "failure", "output_data": {"runtime_statistics": statistics}}


def _error(code: str, message: str) -> Json:
    return {"result": "error", "output_data": {"errors": [{"message": message, "code": code}]}}


def _abandon(*_: object) -> None:
    """A signal: the task is dropped, nobody is told, the process ends with a traceback's status."""
    say("RuntimeError: Session is closed")
    os._exit(1)


def main() -> None:
    """Run until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--pretend", action="store_true", help="do as if every task could be run")
    parser.add_argument("--hold", action="store_true", help="a noop goes on until the file go-on is in the home")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _abandon)
    tasks = {**EARNEST, **(dict.fromkeys(CLASSES.keys() - {"noop"}, pretend) if options.pretend else {})}
    worker = Worker(Path(os.environ["HOME"]), options.scale, {**tasks, **({"noop": wait} if options.hold else {})})
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
