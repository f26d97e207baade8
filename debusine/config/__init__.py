"""The settings of the server: one TOML file and its ``DEBUSINE_…`` twins, read once, into attrs classes."""

from debusine.config.environment import METHOD_VARIABLES
from debusine.config.limits import Limits
from debusine.config.reading import InvalidSettings, UnreadableFile, default_data_dir, read_settings
from debusine.config.settings import MethodSettings, SchedulerSettings, Settings, StoreSettings, split_address

__all__ = [
    "METHOD_VARIABLES",
    "InvalidSettings",
    "Limits",
    "MethodSettings",
    "SchedulerSettings",
    "Settings",
    "StoreSettings",
    "UnreadableFile",
    "default_data_dir",
    "read_settings",
    "split_address",
]
