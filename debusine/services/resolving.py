"""Resolving: what the lookups of accepted task data mean now, when a worker is to be reserved."""

import logging
from typing import Any

from debusine.converter.json import dumps, loads
from debusine.converter.structure import structure
from debusine.db.engine import DriverError
from debusine.domain.errors import DebusineError
from debusine.domain.work_requests import WorkRequest
from debusine.plugin import Lookups
from debusine.services.submissions import Tasks

logger = logging.getLogger(__name__)


class Unrunnable(DebusineError):
    """A work request cannot be handed out, whoever would take it."""


def resolve(tasks: Tasks, work_request: WorkRequest, lookups: Lookups) -> dict[str, Any]:
    """The dynamic_task_data of a work request; ``Unrunnable`` also when a plugin fails, which the log then names."""
    task = tasks.get(work_request.task_name)
    if task is None:
        raise Unrunnable(f"The server has no task {work_request.task_name} any more")
    try:
        # Through JSON, so that what a plugin returns by mistake hurts nobody but this work request.
        resolved = loads(dumps(task.resolve(structure(work_request.task_data, task.Data), lookups)))
    except DebusineError as error:
        raise Unrunnable(str(error)) from error
    except DriverError:
        raise
    except Exception as error:
        logger.exception("The task %s (%s) failed in resolve", task.name, task.__module__)
        raise Unrunnable(f"The task {task.name} failed to resolve its data: {error!r}") from error
    if not isinstance(resolved, dict):
        raise Unrunnable(f"The task {task.name} resolved its data to {resolved!r}, which is not an object")
    return resolved
