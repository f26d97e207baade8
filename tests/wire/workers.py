"""A worker by hand: it says nothing on its socket, and asks by HTTP."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from tests.wire.api import SOCKETS, Api, Json
from tests.wire.raw import PATIENCE, Raw
from tests.wire.websocket import Websocket, opened

CONNECT = f"{SOCKETS}worker/connect/"

#: What a worker of 0.12 says of itself, the tasks apart.
MACHINE: Mapping[str, Any] = {
    "system:cpu_count": 2,
    "system:total_physical_memory": 4_000_000_000,
    "system:worker_type": "external",
    "system:host_architecture": "amd64",
    "system:architectures": ["amd64", "i386"],
    "executor:incus-lxc:available": False,
    "executor:incus-vm:available": False,
    "executor:qemu:available": False,
    "executor:unshare:available": True,
    "sbuild:available": True,
    "autopkgtest:available": True,
    "mmdebstrap:available": True,
    "simplesystemimagebuild:available": True,
}
TASKS = (
    "assemblesignedsource", "autopkgtest", "blhc", "debdiff", "extractforsigning", "lintian", "makesourcepackageupload",
    "mergeuploads", "mmdebstrap", "noop", "piuparts", "sbuild", "simplesystemimagebuild",
)  # fmt: skip
METADATA: Mapping[str, Any] = {**MACHINE, **{f"{task}:version": 1 for task in TASKS}}


@frozen
class HandWorker:
    """A connected worker."""

    api: Api
    socket: Websocket

    def tell_metadata(self, metadata: Mapping[str, Any] = METADATA) -> None:
        """Say what it can do."""
        assert self.api.put("worker/dynamic-metadata/", dict(metadata)).empty(204)

    def ask_for_work(self) -> Raw:
        """Ask once."""
        return self.api.get("work-request/get-next-for-worker/")

    def get(self, work_request: int) -> Json:
        """Get this work request, as soon as it is there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.socket.until("work_request_available")
            answer = self.ask_for_work()
            if answer.status == 200:
                found: Json = answer.json()
                assert found["id"] == work_request, found
                return found
        message = f"work request {work_request} did not come"
        raise AssertionError(message)

    def complete(self, work_request: int, result: str = "success", **more: object) -> Raw:
        """Report."""
        return self.api.put(f"work-request/{work_request}/completed/", {"result": result, **more})


@contextmanager
def connected(api: Api, metadata: Mapping[str, Any] | None = METADATA) -> Iterator[HandWorker]:
    """A worker that has said what it can do; ``api`` bears its key."""
    with opened(api.address, CONNECT, {"token": api.key or ""}) as socket:
        worker = HandWorker(api, socket)
        socket.until("request_dynamic_metadata")
        if metadata is not None:
            worker.tell_metadata(metadata)
        yield worker
