import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from attrs import frozen

from debusine.plugin import (
    ConfigurationError,
    QueueHead,
    Result,
    SchedulerPolicy,
    Task,
    TaskContext,
    hookimpl,
)
from debusine.plugin.manager import PluginManager
from debusine.plugin.registry import DuplicateName, UnknownPlugin
from debusine.testing import FakeDistribution, FakeEntryPoint, entry_point, plugin_manager


@frozen(kw_only=True)
class NoOptions:
    pass


class Lottery(SchedulerPolicy[NoOptions]):
    name = "lottery"
    Options: ClassVar[type[Any]] = NoOptions

    def choose(self, *_: Any) -> QueueHead | None:
        return None


class OtherLottery(Lottery):
    pass


class Cppcheck(Task[NoOptions]):
    name = "cppcheck"
    Data: ClassVar[type[Any]] = NoOptions

    async def run(self, context: TaskContext) -> Result:
        return Result.SUCCESS


class Unfinished(SchedulerPolicy[NoOptions]):
    name = "unfinished"
    Options: ClassVar[type[Any]] = NoOptions


class Nameless(Lottery):
    name = ""


class Optionless(Lottery):
    Options: ClassVar[type[Any]] = dict


def cannot_be_imported() -> None:
    message = "No module named 'boto3'"
    raise ModuleNotFoundError(message)


BROKEN = FakeEntryPoint("s3", cannot_be_imported, FakeDistribution("debusine-filestore-s3", "0.1"))


class TestDiscovery:
    def test_a_class_is_found_by_its_name(self) -> None:
        manager = plugin_manager(scheduler_policies=[Lottery])

        assert manager.scheduler_policies()["lottery"] is Lottery

    def test_a_registry_tells_which_plugin_a_class_came_from(self) -> None:
        point = entry_point("policies", distribution="debusine-lottery", debusine_scheduler_policies=[Lottery])

        assert PluginManager([point]).scheduler_policies().origin("lottery") == "debusine-lottery:policies"

    def test_two_entry_points_of_one_name_are_both_loaded(self) -> None:
        points = [
            entry_point("plugin", distribution="one", debusine_scheduler_policies=[Lottery]),
            entry_point("plugin", distribution="two", debusine_tasks=[Cppcheck]),
        ]
        manager = PluginManager(points)

        assert (*manager.scheduler_policies(), *manager.tasks()) == ("lottery", "cppcheck")

    def test_one_module_may_add_classes_of_several_kinds(self) -> None:
        manager = plugin_manager(scheduler_policies=[Lottery], tasks=[Cppcheck])

        assert (list(manager.scheduler_policies()), list(manager.tasks())) == (["lottery"], ["cppcheck"])

    def test_only_the_hooks_that_somebody_asks_for_are_called(self) -> None:
        called = []

        @hookimpl
        def debusine_scheduler_policies() -> Iterator[type[Any]]:
            called.append("policies")
            yield Lottery

        @hookimpl
        def debusine_tasks() -> Iterator[type[Any]]:
            called.append("tasks")
            yield Cppcheck

        module = SimpleNamespace(debusine_scheduler_policies=debusine_scheduler_policies, debusine_tasks=debusine_tasks)
        manager = PluginManager([FakeEntryPoint("both", lambda: module)])
        manager.tasks()
        manager.tasks()

        assert called == ["tasks"]

    def test_the_installed_plugins_are_found(self) -> None:
        assert "debusine:policies" in {f"{row.distribution}:{row.entry_point}" for row in PluginManager.load().loaded()}


class TestWhatIsBroken:
    def test_an_import_error_does_not_stop_the_others(self) -> None:
        manager = PluginManager([BROKEN, entry_point("policies", debusine_scheduler_policies=[Lottery])])

        assert list(manager.scheduler_policies()) == ["lottery"]

    def test_an_import_error_is_logged_with_the_name_of_the_plugin(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            PluginManager([BROKEN]).warn_of_broken()

        assert "debusine-filestore-s3:s3 cannot be used: ModuleNotFoundError: No module named 'boto3'" in caplog.text

    def test_choosing_an_unknown_name_tells_what_there_is_and_what_failed(self) -> None:
        manager = PluginManager([BROKEN, entry_point("policies", debusine_scheduler_policies=[Lottery])])

        with pytest.raises(UnknownPlugin) as caught:
            manager.scheduler_policies().choose("fair", where="scheduler.policy")

        assert str(caught.value) == (
            "scheduler.policy: there is no scheduler policy named 'fair'; available: lottery; "
            "debusine-filestore-s3:s3 cannot be used: ModuleNotFoundError: No module named 'boto3'"
        )

    def test_an_unknown_name_is_a_configuration_error_and_a_key_error(self) -> None:
        registry = plugin_manager().tasks()

        with pytest.raises(KeyError) as caught:
            registry["sbuild"]

        assert isinstance(caught.value, ConfigurationError)
        assert str(caught.value) == "there is no task named 'sbuild'; none is installed"

    def test_a_registry_can_be_asked_without_an_error(self) -> None:
        registry = plugin_manager(tasks=[Cppcheck]).tasks()

        assert ("sbuild" in registry, registry.get("sbuild"), "cppcheck" in registry) == (False, None, True)

    def test_an_unknown_name_has_no_origin(self) -> None:
        with pytest.raises(UnknownPlugin):
            plugin_manager().tasks().origin("sbuild")

    def test_a_hook_that_raises_half_way_costs_only_what_it_had_not_yielded(self) -> None:
        @hookimpl
        def debusine_scheduler_policies() -> Iterator[type[Any]]:
            yield Lottery
            cannot_be_imported()

        module = SimpleNamespace(debusine_scheduler_policies=debusine_scheduler_policies)
        manager = PluginManager([FakeEntryPoint("half", lambda: module)])

        assert list(manager.scheduler_policies()) == ["lottery"]
        assert manager.broken == {
            "test:half": "debusine_scheduler_policies raises ModuleNotFoundError: No module named 'boto3'"
        }

    def test_a_hook_that_returns_nothing_is_named(self) -> None:
        @hookimpl
        def debusine_tasks() -> None:
            return None

        manager = PluginManager([FakeEntryPoint("none", lambda: SimpleNamespace(debusine_tasks=debusine_tasks))])
        manager.tasks()

        assert "debusine_tasks raises TypeError" in manager.broken["test:none"]

    def test_a_hook_that_does_not_exist_is_named(self) -> None:
        point = entry_point("typo", debusine_file_store=[])

        assert "unknown hook 'debusine_file_store'" in PluginManager([point]).broken["test:typo"]

    def test_a_typo_in_one_plugin_does_not_stop_the_others(self) -> None:
        points = [entry_point("a", debusine_task=[]), entry_point("b", debusine_tasks=[Cppcheck])]

        manager = PluginManager(points)

        assert (list(manager.tasks()), list(manager.broken)) == (["cppcheck"], ["test:a"])

    def test_a_hook_with_foreign_arguments_is_named(self) -> None:
        @hookimpl
        def debusine_tasks(server: object) -> list[type[Any]]:
            return []

        point = FakeEntryPoint("arguments", lambda: SimpleNamespace(debusine_tasks=debusine_tasks))

        assert "'server'" in PluginManager([point]).broken["test:arguments"]

    def test_a_module_without_hooks_is_named(self) -> None:
        manager = PluginManager([FakeEntryPoint("empty", SimpleNamespace)])

        assert "implements no hook" in manager.broken["test:empty"]

    @pytest.mark.parametrize(
        ("offered", "reason"),
        [
            (Lottery(NoOptions()), "not a subclass of SchedulerPolicy"),
            (Cppcheck, "not a subclass of SchedulerPolicy"),
            (Unfinished, "does not define choose"),
            (Nameless, "has no name"),
            (Optionless, "its Options is not an attrs class"),
        ],
    )
    def test_a_class_that_cannot_serve_is_left_out_and_named(self, offered: Any, reason: str) -> None:
        manager = plugin_manager(scheduler_policies=[offered])

        assert list(manager.scheduler_policies()) == []
        assert reason in manager.broken["test:plugin"]


class TestTwoOfOneName:
    def test_both_plugins_are_named(self) -> None:
        points = [
            entry_point("a", distribution="one", debusine_scheduler_policies=[Lottery]),
            entry_point("b", distribution="two", debusine_scheduler_policies=[OtherLottery]),
        ]

        with pytest.raises(DuplicateName, match=r"'lottery': one:a and two:b; uninstall one of them"):
            PluginManager(points).scheduler_policies()

    def test_one_class_yielded_twice_is_no_conflict(self) -> None:
        points = [entry_point(name, debusine_scheduler_policies=[Lottery]) for name in ("a", "b")]

        assert list(PluginManager(points).scheduler_policies()) == ["lottery"]

    def test_the_list_of_plugins_still_shows_them(self) -> None:
        points = [
            entry_point("a", debusine_scheduler_policies=[Lottery]),
            entry_point("b", debusine_scheduler_policies=[OtherLottery]),
        ]

        rows = PluginManager(points).loaded()

        assert [row.classes for row in rows] == [{"debusine_scheduler_policies": ("lottery",)}] * 2


class TestTheListOfPlugins:
    def test_it_is_in_the_order_of_names(self) -> None:
        points = [entry_point(name, distribution=dist) for dist, name in (("b", "x"), ("a", "y"), ("a", "x"))]

        rows = PluginManager(points).loaded()

        assert [(row.distribution, row.entry_point) for row in rows] == [("a", "x"), ("a", "y"), ("b", "x")]

    def test_a_row_tells_all_that_a_plugin_offers(self) -> None:
        module = entry_point("p", debusine_scheduler_policies=[Lottery], debusine_tasks=[Cppcheck]).load()
        point = FakeEntryPoint("p", lambda: module, FakeDistribution("debusine-things", "2.1"))

        (row,) = PluginManager([point]).loaded()

        assert (row.distribution, row.version, row.entry_point, row.error) == ("debusine-things", "2.1", "p", None)
        assert row.classes == {"debusine_scheduler_policies": ("lottery",), "debusine_tasks": ("cppcheck",)}
        assert row.hooks == ("debusine_scheduler_policies", "debusine_tasks")

    def test_a_broken_plugin_has_a_row_with_the_reason(self) -> None:
        (row,) = PluginManager([BROKEN]).loaded()

        assert (row.distribution, row.hooks, row.error) == (
            "debusine-filestore-s3",
            (),
            "ModuleNotFoundError: No module named 'boto3'",
        )
