"""Hooks stay few and true: each is documented, used by a real plugin and tested."""

import inspect
import re
from pathlib import Path

import pytest

from debusine.plugin import hookspecs
from debusine.plugin.kinds import FILE_STORE, NOTIFICATION_METHOD, SCHEDULER_POLICY, TASK, Kind
from debusine.plugin.manager import PluginManager

CHECKOUT = Path(__file__).parents[2]

HOOKS = {
    name: function
    for _, specifications in inspect.getmembers(hookspecs, inspect.isclass)
    if specifications.__module__ == hookspecs.__name__
    for name, function in inspect.getmembers(specifications, inspect.isfunction)
}

KINDS = [FILE_STORE, NOTIFICATION_METHOD, SCHEDULER_POLICY, TASK]


def test_every_hook_has_a_kind_of_class_and_every_kind_a_hook() -> None:
    assert sorted(HOOKS) == sorted(kind.hook for kind in KINDS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_carries_the_projects_prefix(hook: str) -> None:
    assert hook.startswith("debusine_")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_told_in_a_sentence_and_a_complete_example(hook: str) -> None:
    text = inspect.getdoc(HOOKS[hook]) or ""
    sentence, _, example = text.partition(".. code-block:: python\n")

    assert re.fullmatch(r"[A-Z][^.]+\.", sentence.strip())
    compile(inspect.cleandoc("\n" + example), "example", "exec")
    assert f"@hookimpl\n    def {hook}():" in example


@pytest.mark.parametrize("hook", HOOKS)
def test_a_real_plugin_uses_the_hook(hook: str) -> None:
    users = [plugin for plugin in PluginManager.load().loaded() if plugin.classes.get(hook)]

    assert users


@pytest.mark.parametrize("hook", HOOKS)
def test_the_reference_has_a_row_for_the_hook(hook: str) -> None:
    page = (CHECKOUT / "docs/reference/plugins.md").read_text()

    assert f"| `{hook}` |" in page


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.hook)
def test_the_reference_names_what_is_built_in(kind: Kind) -> None:
    page = (CHECKOUT / "docs/reference/plugins.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.hook}` |")]
    names = [name for plugin in PluginManager.load().loaded() for name in plugin.classes.get(kind.hook, ())]

    assert [name for name in names if f"`{name}`" not in row] == []


@pytest.mark.parametrize(
    ("suite", "used"),
    [
        ("FileStoreConformance", "plugins/filestore_local/tests/test_conformance.py"),
        ("FileStoreConformance", "plugins/filestore_cache/tests/test_cache_conformance.py"),
        ("NotificationMethodConformance", "plugins/notify_email/tests/test_email_conformance.py"),
        ("SchedulerPolicyConformance", "tests/scheduler/test_fifo.py"),
        ("TaskConformance", "tests/tasks/test_conformance.py"),
    ],
)
def test_the_built_in_ones_pass_the_suite_that_strangers_get(suite: str, used: str) -> None:
    assert f"({suite}):" in (CHECKOUT / used).read_text()


def test_no_installed_plugin_is_broken() -> None:
    manager = PluginManager.load()
    manager.loaded()

    assert manager.broken == {}
