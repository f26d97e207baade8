"""One attempt at a work request: set up, run within its time, told about."""

import asyncio
import logging
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from debusine import logs
from debusine.client import Client, StaleAttempt
from debusine.converter.structure import structure
from debusine.domain.artifacts import RelationType
from debusine.domain.demands import TaskType
from debusine.domain.errors import DebusineError
from debusine.domain.work_requests import DEFAULT_TIMEOUT, Result
from debusine.plugin import Task, TaskFailure
from debusine.protocol.resources import CompletionReport, OutputData, OutputError, WorkRequestResource
from debusine.worker.capabilities import Tasks
from debusine.worker.context import STAGES, WorkerContext
from debusine.worker.images import ImageCache
from debusine.worker.metering import Meter
from debusine.worker.runner import Runner
from debusine.worker.workplace import RunDirectory, Workplace

logger = logging.getLogger(__name__)

DEBUG_LOGS = "debusine:work-request-debug-logs"


class SetupFailed(DebusineError):
    """A work request cannot even begin here."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@frozen(kw_only=True)
class Outcome:
    """What an attempt came to, before it is told."""

    result: Result
    errors: tuple[OutputError, ...] = ()


@define(kw_only=True)
class Attempts:
    """Does work requests, one after the other."""

    tasks: Tasks
    client: Client
    workplace: Workplace
    images: ImageCache
    #: Never to be seen by sandboxed commands.
    hidden: Sequence[Path] = field(factory=tuple)

    async def carry_out(self, work: WorkRequestResource) -> CompletionReport | None:
        """Do what a work request asks for; None when nobody wants this attempt's result any more."""
        try:
            with logs.about(work_request=work.id, attempt=work.attempt):
                async with self.workplace.open_run(f"{work.id}-{work.attempt or 0}") as directory:
                    return await self._run(work, directory)
        except StaleAttempt as error:
            logger.warning("Work request %s: this attempt is dropped: %s", work.id, error)
            return None
        finally:
            self.images.release()

    async def _run(self, work: WorkRequestResource, directory: RunDirectory) -> CompletionReport:
        meter = Meter(directory.path)
        context = self._context(work, directory, meter)
        outcome = await self._outcome(work, context)
        context.tell(f"the result is {outcome.result}")
        await upload_debug_logs(context, outcome.result)
        output = OutputData(runtime_statistics=meter.statistics(), errors=list(outcome.errors) or None)
        return CompletionReport(result=outcome.result, output_data=output)

    def _context(self, work: WorkRequestResource, directory: RunDirectory, meter: Meter) -> WorkerContext:
        return WorkerContext(
            run_directory=directory,
            client=self.client.of_attempt(work.attempt),
            runner=Runner(meter=meter, environment=directory.environment),
            images=self.images,
            hidden=self.hidden,
            work_request=work.id,
            workspace=work.workspace,
        )

    async def _outcome(self, work: WorkRequestResource, context: WorkerContext) -> Outcome:
        seconds = work.timeout or DEFAULT_TIMEOUT
        try:
            async with asyncio.timeout(seconds) as limit:
                return Outcome(result=await set_up(self.tasks, work).run(context))
        except StaleAttempt:
            raise
        except SetupFailed as error:
            return _error(context, str(error), error.code)
        except TaskFailure as error:
            context.tell(str(error))
            return Outcome(result=Result.FAILURE)
        except Exception as error:  # noqa: BLE001 - a task may raise anything; the worker goes on
            if limit.expired():  # whatever the task made of that
                return _error(context, f"It ran longer than {seconds} seconds", "timeout")
            context.tell(traceback.format_exc())
            return _error(context, f"{type(error).__name__}: {error}", "execute-failed")


def set_up(tasks: Tasks, work: WorkRequestResource) -> Task[Any]:
    """The task of a work request, with its data; ``SetupFailed``."""
    if work.task_type != TaskType.WORKER:
        raise SetupFailed("wrong-task-type", f"This worker does no tasks of type {work.task_type}")
    kind = tasks.get(work.task_name)
    if kind is None:
        raise SetupFailed("setup-failed", f"This worker has no task {work.task_name!r}")
    dynamic: Mapping[str, Any] = work.dynamic_task_data or {}
    try:
        return kind(structure(work.task_data, kind.Data, title="Invalid task_data"), dynamic)
    except Exception as error:
        raise SetupFailed("configure-failed", f"Task {work.task_name}: {error}") from error


async def upload_debug_logs(context: WorkerContext, result: Result) -> None:
    """Keep what the commands of an attempt said, and how far it came when it did not succeed."""
    files = {name: path for name, path in context.logs.items() if name != STAGES or result is not Result.SUCCESS}
    try:
        artifact = await context.upload(DEBUG_LOGS, data={}, files=files)
        for target in dict.fromkeys(context.fetched):
            await context.relate(artifact, target, RelationType.RELATES_TO)
    except StaleAttempt:
        raise
    except DebusineError as error:  # the result counts more than its logs
        logger.error("Work request %s: the logs cannot be kept: %s", context.work_request, error)


def _error(context: WorkerContext, message: str, code: str) -> Outcome:
    context.tell(f"{code}: {message}")
    return Outcome(result=Result.ERROR, errors=(OutputError(message=message, code=code),))
