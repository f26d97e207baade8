"""For tests of plugins: suites that say whether one conforms, and fakes of what surrounds it."""

from debusine.testing.plugins import FakeDistribution, FakeEntryPoint, entry_point, plugin_manager

__all__ = ["FakeDistribution", "FakeEntryPoint", "entry_point", "plugin_manager"]
