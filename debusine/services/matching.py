"""Matching: whether a worker can run a demand, with every reason against it."""

import logging
from collections.abc import Iterator

from debusine.domain.demands import Demand, Metadata, Verdict
from debusine.services.submissions import Tasks

logger = logging.getLogger(__name__)

#: Lists of task names in a worker's metadata; when the first one is there, the second does not count.
ALLOWLIST = "tasks_allowlist"
DENYLIST = "tasks_denylist"


def verdict(tasks: Tasks, metadata: Metadata, demand: Demand) -> Verdict:
    """Ask the operator's lists, then the task; a plugin that fails says no, and is named in the log."""
    reasons = [*_reasons_of_lists(metadata, demand.task_name)]
    task = tasks.get(demand.task_name)
    if task is None:
        return Verdict((*reasons, f"the server has no task {demand.task_name}"))
    try:
        return Verdict((*reasons, *task.can_run_on(metadata, demand).reasons))
    except Exception:
        logger.exception("The task %s (%s) failed in can_run_on", demand.task_name, task.__module__)
        return Verdict((*reasons, f"the task {demand.task_name} failed to say whether it fits; see the server's log"))


def _reasons_of_lists(metadata: Metadata, task: str) -> Iterator[str]:
    if isinstance(allowed := metadata.get(ALLOWLIST), list):
        if task not in allowed:
            yield f"{task} is not in its {ALLOWLIST}"
    elif isinstance(denied := metadata.get(DENYLIST), list) and task in denied:
        yield f"{task} is in its {DENYLIST}"
