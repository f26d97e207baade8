"""The built-in scheduler policies, registered as any plugin's are."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import SchedulerPolicy, hookimpl


@hookimpl
def debusine_scheduler_policies() -> Iterable[type[SchedulerPolicy[Any]]]:
    """Yield ``fifo``."""
    from debusine.scheduler.fifo import Fifo

    yield Fifo
