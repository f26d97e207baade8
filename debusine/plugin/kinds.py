"""The kinds of class that plugins offer, and what each class must have."""

import inspect
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import frozen

from debusine.plugin.file_store import FileStoreBackend
from debusine.plugin.notification import NotificationMethod
from debusine.plugin.scheduler import SchedulerPolicy
from debusine.plugin.task import Task


@frozen
class Kind:
    """One kind of class that plugins offer."""

    #: As it reads in a message.
    noun: str
    hook: str
    base: type[Any]
    #: The attribute that holds the attrs class of its settings.
    settings: str
    #: Attributes that must be mappings.
    mappings: tuple[str, ...] = ()

    def reason_against(self, offered: Any) -> str | None:
        """Why something that a hook yields is not a class of this kind; None: it is one."""
        if not isinstance(offered, type) or not issubclass(offered, self.base):
            return f"that is not a subclass of {self.base.__name__}"
        name = getattr(offered, "name", None)
        if not isinstance(name, str) or not name:
            return "it has no name"
        if inspect.isabstract(offered):
            return f"it does not define {', '.join(sorted(getattr(offered, '__abstractmethods__', ())))}"
        settings = getattr(offered, self.settings, None)
        if not isinstance(settings, type) or not attrs.has(settings):
            return f"its {self.settings} is not an attrs class"
        wrong = [each for each in self.mappings if not isinstance(getattr(offered, each, None), Mapping)]
        return f"its {wrong[0]} is not a mapping" if wrong else None


FILE_STORE = Kind("file store backend", "debusine_file_stores", FileStoreBackend, "Options")
NOTIFICATION_METHOD = Kind(
    "notification method", "debusine_notification_methods", NotificationMethod, "Options", mappings=("data_schema",)
)
SCHEDULER_POLICY = Kind("scheduler policy", "debusine_scheduler_policies", SchedulerPolicy, "Options")
TASK = Kind("task", "debusine_tasks", Task, "Data")
