"""The hooks: the menu of what a plugin can add. Each yields classes; users choose them by ``name``.

A plugin is a package with an entry point in the group ``debusine`` that names a module with hook implementations::

    [project.entry-points.debusine]
    tape = "debusine_filestore_tape"
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from debusine.plugin.file_store import FileStoreBackend
from debusine.plugin.notification import NotificationMethod
from debusine.plugin.scheduler import SchedulerPolicy
from debusine.plugin.task import Task

hookspec = pluggy.HookspecMarker("debusine")
hookimpl = pluggy.HookimplMarker("debusine")


class FileStoreHooks:
    """Hooks that the server calls for places that keep files."""

    @hookspec
    def debusine_file_stores(self) -> Iterable[type[FileStoreBackend[Any]]]:
        """Yield the file store backends of this plugin.

        .. code-block:: python

            @hookimpl
            def debusine_file_stores():
                from debusine_filestore_tape.backend import TapeFileStore

                yield TapeFileStore
        """
        raise NotImplementedError


class NotificationMethodHooks:
    """Hooks that the server calls for ways to tell people something."""

    @hookspec
    def debusine_notification_methods(self) -> Iterable[type[NotificationMethod[Any]]]:
        """Yield the notification methods of this plugin.

        .. code-block:: python

            @hookimpl
            def debusine_notification_methods():
                from debusine_notify_pigeon.method import Pigeon

                yield Pigeon
        """
        raise NotImplementedError


class SchedulerPolicyHooks:
    """Hooks that the server calls for ways to order work."""

    @hookspec
    def debusine_scheduler_policies(self) -> Iterable[type[SchedulerPolicy[Any]]]:
        """Yield the scheduler policies of this plugin.

        .. code-block:: python

            @hookimpl
            def debusine_scheduler_policies():
                from debusine_policy_lottery.policy import Lottery

                yield Lottery
        """
        raise NotImplementedError


class TaskHooks:
    """Hooks that server and worker call for what a worker can run."""

    @hookspec
    def debusine_tasks(self) -> Iterable[type[Task[Any]]]:
        """Yield the tasks of this plugin.

        .. code-block:: python

            @hookimpl
            def debusine_tasks():
                from debusine_task_cppcheck.task import Cppcheck

                yield Cppcheck
        """
        raise NotImplementedError
