"""What is installed, for the operator."""

from typing import Any

from debusine.plugin.manager import LoadedPlugin, PluginManager


def plugin_rows() -> list[dict[str, Any]]:
    """One row for each plugin, with what it offers and why it cannot be used."""
    return [_row(plugin) for plugin in PluginManager.load().loaded()]


def _row(plugin: LoadedPlugin) -> dict[str, Any]:
    offers = sorted(name for names in plugin.classes.values() for name in names)
    return {
        "plugin": f"{plugin.distribution}:{plugin.entry_point}",
        "version": plugin.version,
        "hooks": list(plugin.hooks),
        "classes": offers,
        "error": plugin.error,
    }
