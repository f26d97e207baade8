"""For tests of plugins: suites that say whether one conforms, and fakes of what surrounds it."""

from debusine.testing.file_stores import FileStoreConformance
from debusine.testing.lookups import MemoryLookups
from debusine.testing.memory_method import MemoryNotificationMethod
from debusine.testing.memory_store import Memory, MemoryFileStore, MemoryOptions
from debusine.testing.notification_methods import NotificationMethodConformance
from debusine.testing.plugins import FakeDistribution, FakeEntryPoint, entry_point, plugin_manager
from debusine.testing.scheduler_policies import SchedulerPolicyConformance
from debusine.testing.sources import Source, Sources
from debusine.testing.task_context import FakeTaskContext
from debusine.testing.tasks import TaskConformance

__all__ = [
    "FakeDistribution",
    "FakeEntryPoint",
    "FakeTaskContext",
    "FileStoreConformance",
    "Memory",
    "MemoryFileStore",
    "MemoryLookups",
    "MemoryNotificationMethod",
    "MemoryOptions",
    "NotificationMethodConformance",
    "SchedulerPolicyConformance",
    "Source",
    "Sources",
    "TaskConformance",
    "entry_point",
    "plugin_manager",
]
