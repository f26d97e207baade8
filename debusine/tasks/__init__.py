"""The built-in tasks; they use what a stranger's task may use, and are found in the same way."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import Task, hookimpl


@hookimpl
def debusine_tasks() -> Iterable[type[Task[Any]]]:
    """Yield the tasks that come with debusine."""
    from debusine.tasks.lintian import Lintian
    from debusine.tasks.mmdebstrap import Mmdebstrap
    from debusine.tasks.noop import Noop
    from debusine.tasks.sbuild import Sbuild

    yield Noop
    yield Mmdebstrap
    yield Sbuild
    yield Lintian
