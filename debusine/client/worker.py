"""The worker's side of a server: registering, asking for work, reporting it, listening."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from debusine.client.connection import Connection
from debusine.client.listening import Message, listening
from debusine.converter.structure import unstructure
from debusine.domain.secrets import Secret
from debusine.protocol import headers
from debusine.protocol.resources import CompletionReport, WorkerRegistration, WorkRequestResource


class WorkerClient:
    """What a worker asks of a server; every method may raise what ``Connection.call`` raises."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def register(self, fqdn: str, key: Secret) -> None:
        """Make a worker with this key; the connection's own token is an activation token, or there is none."""
        body = unstructure(WorkerRegistration(token=key.reveal(), fqdn=fqdn))
        # The same key again is the same worker, and an activation token is good for one only.
        await self.connection.call("POST", "worker/register/", body=body, expected={201}, repeatable=True)

    async def put_dynamic_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Tell what this machine is and can do."""
        await self.connection.call("PUT", "worker/dynamic-metadata/", body=dict(metadata), expected={204})

    async def get_next(self, running: Iterable[tuple[int, int]] = ()) -> WorkRequestResource | None:
        """Fetch the work that was assigned, if any; ``running``: the (work request, attempt) pairs still at work."""
        answer = await self.connection.call(
            "GET", "work-request/get-next-for-worker/", headers=_running(running), expected={200, 204}
        )
        return None if answer.status == HTTPStatus.NO_CONTENT else answer.into(WorkRequestResource)

    async def complete(self, work_request: int, report: CompletionReport, *, attempt: int | None = None) -> None:
        """Report how an attempt ended; ``Conflicting`` when it is no longer the current one."""
        sent = {} if attempt is None else {headers.ATTEMPT: str(attempt)}
        url = f"work-request/{work_request}/completed/"
        await self.connection.call("PUT", url, body=_told(report), headers=sent, expected={200})

    @asynccontextmanager
    async def listen(
        self, running: Iterable[tuple[int, int]] = (), *, heartbeat: float = 20.0
    ) -> AsyncIterator[AsyncIterator[Message]]:
        """Hold the websocket; its messages end when the server closes it or is silent for 1.5 ``heartbeat`` seconds."""
        url = self.connection.access.socket_url("worker/connect/")
        async with listening(self.connection, url, _running(running), heartbeat=heartbeat) as line:
            yield line.messages


def _running(attempts: Iterable[tuple[int, int]]) -> dict[str, str]:
    return {headers.RUNNING: headers.format_running(attempts)}


def _told(report: CompletionReport) -> dict[str, Any]:
    """What is not known is left out; among the statistics it may be null."""
    body: dict[str, Any] = {"result": report.result.value}
    if report.output_data is not None:
        told = unstructure(report.output_data)
        body["output_data"] = {key: value for key, value in told.items() if value is not None}
    return body
