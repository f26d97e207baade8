"""Plugins without an installation: entry points and managers made of what a test holds in its hands."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from attrs import frozen

from debusine.plugin import FileStoreBackend, NotificationMethod, SchedulerPolicy, Task, hookimpl
from debusine.plugin.manager import PluginManager


@frozen
class FakeDistribution:
    """A package that nobody installed."""

    name: str = "test"
    version: str = "1.0"


@frozen
class FakeEntryPoint:
    """An entry point whose module is made by a function, which may raise as an import may."""

    name: str
    load: Callable[[], Any]
    dist: FakeDistribution = FakeDistribution()


def entry_point(name: str, *, distribution: str = "test", **hooks: Iterable[type[Any]]) -> FakeEntryPoint:
    """An entry point whose hooks yield the given classes: ``entry_point("tape", debusine_file_stores=[Tape])``."""
    module = SimpleNamespace(**{hook: _yielding(classes) for hook, classes in hooks.items()})
    return FakeEntryPoint(name, lambda: module, FakeDistribution(distribution))


def plugin_manager(
    *,
    file_stores: Iterable[type[FileStoreBackend[Any]]] = (),
    notification_methods: Iterable[type[NotificationMethod[Any]]] = (),
    scheduler_policies: Iterable[type[SchedulerPolicy[Any]]] = (),
    tasks: Iterable[type[Task[Any]]] = (),
) -> PluginManager:
    """A manager that knows these classes and nothing that is installed."""
    point = entry_point(
        "plugin",
        debusine_file_stores=file_stores,
        debusine_notification_methods=notification_methods,
        debusine_scheduler_policies=scheduler_policies,
        debusine_tasks=tasks,
    )
    return PluginManager([point])


def _yielding(classes: Iterable[type[Any]]) -> Callable[[], Iterable[type[Any]]]:
    kept = tuple(classes)

    @hookimpl
    def implementation() -> Iterable[type[Any]]:
        yield from kept

    return implementation
