"""The daemon: it listens, fetches work when there is some, does it, and reports."""

import asyncio
import logging
import random
from collections.abc import Callable

from attrs import define, field

from debusine.client import Refused, WorkerClient
from debusine.domain.errors import DebusineError
from debusine.protocol.messages import TOKEN_DISABLED, Text
from debusine.protocol.resources import WorkRequestResource
from debusine.worker.attempts import Attempts
from debusine.worker.capabilities import describe_machine
from debusine.worker.reports import Reports, WaitingReport

logger = logging.getLogger(__name__)

#: Seconds; a server that is silent for longer than half as much again is taken for gone.
HEARTBEAT = 10.0

#: Of a refused report: it will not be accepted later either.
LASTING = {400, 401, 404, 409, 413}


def pause() -> float:
    """Seconds to wait before a new connection: at random, so that many workers do not come back at once."""
    return random.uniform(1.0, 6.0)  # noqa: S311 - no secret


@define(kw_only=True)
class Daemon:
    """One worker: a socket that tells of work, and one thing that is done at a time."""

    server: WorkerClient
    attempts: Attempts
    reports: Reports
    #: Gives the seconds before the next try to reach the server.
    delay: Callable[[], float] = pause
    #: What this process still has to do with, as (work request, attempt).
    running: set[tuple[int, int]] = field(factory=set, init=False)
    _work_available: asyncio.Event = field(factory=asyncio.Event, init=False)
    _metadata_wanted: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Serve until cancelled; what runs then is ended."""
        waiting = list(self.reports.waiting())
        self.running.update(_key(report) for report in waiting)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="listener")
            group.create_task(self._tell_metadata(), name="metadata")
            group.create_task(self._work(waiting), name="work")

    async def _listen(self) -> None:
        while True:
            try:
                async with self.server.listen(self.running, heartbeat=HEARTBEAT) as messages:
                    async for message in messages:
                        self._heed(message.text, message.reason_code, message.reason)
                logger.info("The server closed the connection")
            except (DebusineError, OSError) as error:
                logger.warning("Error connecting: %s", error)
            await asyncio.sleep(self.delay())

    def _heed(self, text: str | None, reason_code: str | None, reason: str | None) -> None:
        match text:
            case Text.CONNECTED:
                logger.info("Connected to %s", self.server.connection.access.api_url)
                self._metadata_wanted.set()
            case Text.REQUEST_DYNAMIC_METADATA:
                self._metadata_wanted.set()
            case Text.WORK_REQUEST_AVAILABLE:
                self._work_available.set()
            case None if reason_code == TOKEN_DISABLED:
                logger.warning("The worker's token is disabled; enable the worker: debusine-admin worker enable NAME")
            case None if reason:
                logger.warning("Disconnected. Reason: %s", reason)
            case _:
                logger.debug("The server said %r, which means nothing to this worker", text)

    async def _tell_metadata(self) -> None:
        while True:
            await self._metadata_wanted.wait()
            self._metadata_wanted.clear()
            metadata = await asyncio.to_thread(describe_machine, self.attempts.tasks)
            try:
                await self.server.put_dynamic_metadata(metadata)
            except DebusineError as error:
                logger.warning("Cannot tell the server what this machine can do: %s", error)

    async def _work(self, waiting: list[WaitingReport]) -> None:
        for report in waiting:
            await self._deliver(report)
        while True:
            await self._work_available.wait()
            self._work_available.clear()
            work = await self._fetch()
            if work is not None:
                await self._carry_out(work)

    async def _fetch(self) -> WorkRequestResource | None:
        try:
            return await self.server.get_next(self.running)
        except DebusineError as error:
            logger.warning("Cannot fetch work: %s", error)  # the server tells of it again
            return None

    async def _carry_out(self, work: WorkRequestResource) -> None:
        logger.info("Work request %s, attempt %s: %s", work.id, work.attempt, work.task_name)
        key = (work.id, work.attempt or 0)
        self.running.add(key)
        try:
            report = await self.attempts.carry_out(work)
            if report is not None:
                logger.info("Work request %s: %s", work.id, report.result)
                kept = await asyncio.to_thread(self.reports.keep, work.id, work.attempt, report)
                await self._deliver(kept)
        finally:
            self.running.discard(key)

    async def _deliver(self, waiting: WaitingReport) -> None:
        """Tell the server a result, however long that takes; it decides whether the result still counts."""
        while True:
            if await self._delivered(waiting):
                break
            await asyncio.sleep(self.delay())
        await asyncio.to_thread(self.reports.forget, waiting)
        self.running.discard(_key(waiting))

    async def _delivered(self, waiting: WaitingReport) -> bool:
        try:
            await self.server.complete(waiting.work_request, waiting.report, attempt=waiting.attempt)
        except Refused as error:
            logger.warning("The result of work request %s is not accepted: %s", waiting.work_request, error)
            return error.status in LASTING
        except DebusineError as error:
            logger.warning("The result of work request %s cannot be told: %s", waiting.work_request, error)
            return False
        return True


def _key(waiting: WaitingReport) -> tuple[int, int]:
    return (waiting.work_request, waiting.attempt or 0)
