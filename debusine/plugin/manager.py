"""Finds the plugins that are installed and tells what each offers; one that is broken never stops the others."""

import importlib.metadata
import logging
from collections.abc import Iterable
from typing import Any, Protocol, cast

import pluggy
from attrs import Factory, define, frozen

from debusine.plugin.file_store import FileStoreBackend
from debusine.plugin.hookspecs import FileStoreHooks, NotificationMethodHooks, SchedulerPolicyHooks, TaskHooks
from debusine.plugin.kinds import FILE_STORE, NOTIFICATION_METHOD, SCHEDULER_POLICY, TASK, Kind
from debusine.plugin.notification import NotificationMethod
from debusine.plugin.registry import Registry
from debusine.plugin.scheduler import SchedulerPolicy
from debusine.plugin.task import Task

logger = logging.getLogger(__name__)

GROUP = "debusine"


class Distribution(Protocol):
    """The installed package that an entry point belongs to."""

    @property
    def name(self) -> str:
        """Its name as published."""

    @property
    def version(self) -> str:
        """Its version."""


class EntryPoint(Protocol):
    """What the manager needs of an entry point; those of ``importlib.metadata`` have it."""

    @property
    def name(self) -> str:
        """The name within its distribution."""

    @property
    def dist(self) -> Distribution | None:
        """The distribution that it belongs to."""

    def load(self) -> Any:
        """Import what it names."""


@frozen(kw_only=True)
class LoadedPlugin:
    """A row in the list of plugins."""

    distribution: str
    version: str
    entry_point: str
    hooks: tuple[str, ...] = ()
    #: The names under which users choose its classes, by hook.
    classes: dict[str, tuple[str, ...]] = Factory(dict)
    #: Why it, or a part of it, cannot be used.
    error: str | None = None


@define
class _Plugin:
    distribution: str
    version: str
    entry_point: str
    hooks: tuple[str, ...] = ()
    errors: list[str] = Factory(list)

    @property
    def name(self) -> str:
        return f"{self.distribution}:{self.entry_point}"


class PluginManager:
    """The plugins of this process; hooks are called when somebody asks for their classes, each once."""

    def __init__(self, entry_points: Iterable[EntryPoint]) -> None:
        """Import the given plugins; ``load()`` finds those that are installed."""
        self._hooks = pluggy.PluginManager(GROUP)
        for specifications in (FileStoreHooks, NotificationMethodHooks, SchedulerPolicyHooks, TaskHooks):
            self._hooks.add_hookspecs(specifications)
        self._plugins: dict[str, _Plugin] = {}
        self._offers: dict[str, list[tuple[str, type[Any]]]] = {}
        for entry_point in sorted(entry_points, key=_place):
            self._add(entry_point)

    @classmethod
    def load(cls) -> "PluginManager":
        """Find the plugins that are installed: the entry points of the group ``debusine``."""
        return cls(importlib.metadata.entry_points(group=GROUP))

    def file_stores(self) -> Registry[type[FileStoreBackend[Any]]]:
        """The file store backends by name; ``DuplicateName`` when two plugins offer one name."""
        return self._registry(FILE_STORE)

    def notification_methods(self) -> Registry[type[NotificationMethod[Any]]]:
        """The notification methods by name; ``DuplicateName`` when two plugins offer one name."""
        return self._registry(NOTIFICATION_METHOD)

    def scheduler_policies(self) -> Registry[type[SchedulerPolicy[Any]]]:
        """The scheduler policies by name; ``DuplicateName`` when two plugins offer one name."""
        return self._registry(SCHEDULER_POLICY)

    def tasks(self) -> Registry[type[Task[Any]]]:
        """The tasks by name; ``DuplicateName`` when two plugins offer one name."""
        return self._registry(TASK)

    def loaded(self) -> list[LoadedPlugin]:
        """Every plugin with all that it offers; calls every hook."""
        for kind in (FILE_STORE, NOTIFICATION_METHOD, SCHEDULER_POLICY, TASK):
            self._collect(kind)
        return [self._row(plugin) for plugin in self._plugins.values()]

    @property
    def broken(self) -> dict[str, str]:
        """Plugins that cannot be used, or not all of them, with the reasons known so far."""
        return {plugin.name: "; ".join(plugin.errors) for plugin in self._plugins.values() if plugin.errors}

    def warn_of_broken(self) -> None:
        """Log each plugin that cannot be used; for a program that goes on without them."""
        for name, reason in self.broken.items():
            logger.warning("The plugin %s cannot be used: %s", name, reason)

    def _add(self, entry_point: EntryPoint) -> None:
        dist = entry_point.dist
        plugin = _Plugin(dist.name if dist else "unknown", dist.version if dist else "", entry_point.name)
        self._plugins[plugin.name] = plugin
        try:
            self._register(plugin, entry_point.load())
        except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything; the others go on
            plugin.errors.append(_one_line(error))

    def _register(self, plugin: _Plugin, module: Any) -> None:
        self._hooks.register(module, plugin.name)
        try:
            self._hooks.check_pending()
        except pluggy.PluginValidationError:
            self._hooks.unregister(module, plugin.name)
            raise
        plugin.hooks = tuple(sorted(caller.name for caller in self._hooks.get_hookcallers(module) or ()))
        if not plugin.hooks:
            plugin.errors.append("it implements no hook of debusine; mark its functions with @hookimpl")

    def _registry(self, kind: Kind) -> Registry[Any]:
        return Registry(kind.noun, self._collect(kind), self.broken)

    def _collect(self, kind: Kind) -> list[tuple[str, type[Any]]]:
        if kind.hook not in self._offers:
            implementations = getattr(self._hooks.hook, kind.hook).get_hookimpls()
            offers: list[tuple[str, type[Any]]] = []
            # Not through pluggy's own call: there one that raises takes the results of all others with it.
            for implementation in implementations:
                offers += self._exhaust(kind, self._plugins[implementation.plugin_name], implementation)
            self._offers[kind.hook] = offers
        return self._offers[kind.hook]

    def _exhaust(self, kind: Kind, plugin: _Plugin, implementation: pluggy.HookImpl) -> list[tuple[str, type[Any]]]:
        offers = []
        try:
            for offered in cast(Iterable[Any], implementation.function()):
                if reason := kind.reason_against(offered):
                    plugin.errors.append(f"{kind.hook} yields {offered!r}, but {reason}")
                else:
                    offers.append((plugin.name, offered))
        except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything; the others go on
            plugin.errors.append(f"{kind.hook} raises {_one_line(error)}")
        return offers

    def _row(self, plugin: _Plugin) -> LoadedPlugin:
        classes = {
            hook: tuple(offered.name for origin, offered in self._offers.get(hook, ()) if origin == plugin.name)
            for hook in plugin.hooks
        }
        return LoadedPlugin(
            distribution=plugin.distribution,
            version=plugin.version,
            entry_point=plugin.entry_point,
            hooks=plugin.hooks,
            classes=classes,
            error="; ".join(plugin.errors) or None,
        )


def _place(entry_point: EntryPoint) -> tuple[str, str]:
    return (entry_point.dist.name if entry_point.dist else "", entry_point.name)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
