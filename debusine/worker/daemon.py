"""The daemon: it listens, fetches work when there is some, does it, and reports."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import TypeAlias

from attrs import define, field

from debusine.client import Message, Refused, WorkerClient
from debusine.domain.errors import DebusineError
from debusine.protocol.messages import TOKEN_DISABLED, Text
from debusine.protocol.resources import CompletionReport, WorkRequestResource
from debusine.worker.attempts import Attempts
from debusine.worker.capabilities import describe_machine
from debusine.worker.reports import Reports, WaitingReport

logger = logging.getLogger(__name__)

#: Work request, attempt.
Key: TypeAlias = tuple[int, int]

#: Seconds; a server that is silent for longer than half as much again is taken for gone.
HEARTBEAT = 10.0

#: Seconds: more than the end of a run takes in order, and few enough that a run which does not heed the first word
#: has ended within fifteen.
INSISTENCE = 5.0

#: Of a refused report: it will not be accepted later either.
LASTING = {400, 401, 404, 409, 413}


def pause() -> float:
    """Seconds to wait before a new connection: at random, so that many workers do not come back at once."""
    return random.uniform(1.0, 6.0)  # noqa: S311 - no secret


@define
class Run:
    """An attempt that is being carried out."""

    key: Key
    task: asyncio.Task[CompletionReport | None]
    #: When it was last told to end, by the monotonic clock.
    ended_at: float | None = None


@define(kw_only=True)
class Daemon:
    """One worker: a socket that tells of work, and one thing that is done at a time."""

    server: WorkerClient
    attempts: Attempts
    reports: Reports
    #: Gives the seconds before the next try to reach the server.
    delay: Callable[[], float] = pause
    #: Seconds after which a run that should have ended is told again.
    insistence: float = INSISTENCE
    #: What this process still has to do with, as (work request, attempt).
    running: set[Key] = field(factory=set, init=False)
    _work_available: asyncio.Event = field(factory=asyncio.Event, init=False)
    _metadata_wanted: asyncio.Event = field(factory=asyncio.Event, init=False)
    #: What is being carried out.
    _run: Run | None = field(default=None, init=False)
    #: What the server last said that nobody wants.
    _unwanted: Key | None = field(default=None, init=False)

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
                        self._heed(message)
                logger.info("The server closed the connection")
            except (DebusineError, OSError) as error:
                logger.warning("Error connecting: %s", error)
            await asyncio.sleep(self.delay())

    def _heed(self, message: Message) -> None:
        match message.text:
            case Text.CONNECTED:
                logger.info("Connected to %s", self.server.connection.access.api_url)
                self._metadata_wanted.set()
            case Text.REQUEST_DYNAMIC_METADATA:
                self._metadata_wanted.set()
            case Text.WORK_REQUEST_AVAILABLE:
                self._work_available.set()
            case Text.WORK_REQUEST_ABORTED if message.work_request_id is not None:
                self._drop((message.work_request_id, message.attempt or 0))
            case None if message.reason_code == TOKEN_DISABLED:
                logger.warning("The worker's token is disabled; enable the worker: debusine-admin worker enable NAME")
            case None if message.reason:
                logger.warning("Disconnected. Reason: %s", message.reason)
            case _:
                logger.debug("The server said %r, which means nothing to this worker", message.text)

    def _drop(self, unwanted: Key) -> None:
        """Nobody wants an attempt any more: what runs of it ends, and then the server hears that this worker is free.

        The server repeats itself until it has heard that.
        """
        self._unwanted = unwanted
        self._end_unwanted_run()
        self._work_available.set()

    def _end_unwanted_run(self) -> None:
        if self._run is None or self._run.key != self._unwanted:
            return
        now = time.monotonic()
        # Not at every word: a run that ends its processes in order shall not be disturbed in that.
        if self._run.ended_at is None or now - self._run.ended_at >= self.insistence:
            logger.info("Work request %s, attempt %s is not wanted any more", *self._unwanted)
            self._run.ended_at = now
            self._run.task.cancel()

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
            report = await self._result_of(work, key)
            if report is not None:
                logger.info("Work request %s: %s", work.id, report.result)
                kept = await asyncio.to_thread(self.reports.keep, work.id, work.attempt, report)
                await self._deliver(kept)
        finally:
            self.running.discard(key)

    async def _result_of(self, work: WorkRequestResource, key: Key) -> CompletionReport | None:
        """What came of an attempt; None when nobody wants to know, and nothing of it is left then."""
        task = asyncio.create_task(self.attempts.carry_out(work), name=f"work request {work.id}")
        self._run = Run(key, task)
        self._end_unwanted_run()  # the word may have come before the work itself
        report = None
        try:
            report = await task
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr] # this worker itself is to stop
                raise
        finally:
            self._run = None
        if report is None:
            self._work_available.set()  # the server does not know yet that this worker is free
        return report

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
            self._work_available.set()  # the server may not know that this worker is free
            return error.status in LASTING
        except DebusineError as error:
            logger.warning("The result of work request %s cannot be told: %s", waiting.work_request, error)
            return False
        return True


def _key(waiting: WaitingReport) -> Key:
    return (waiting.work_request, waiting.attempt or 0)
