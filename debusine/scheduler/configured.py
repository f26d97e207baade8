"""The scheduler policy that the configuration chooses."""

from typing import Any

from debusine.config import SchedulerSettings
from debusine.plugin import SchedulerPolicy
from debusine.plugin.options import structure_options
from debusine.plugin.registry import Registry


def build_policy(settings: SchedulerSettings, policies: Registry[type[SchedulerPolicy[Any]]]) -> SchedulerPolicy[Any]:
    """Choose the policy by its name and give it its options."""
    chosen = policies.choose(settings.policy, where="scheduler.policy")
    return chosen(structure_options(chosen, settings.options, where="scheduler.options"))
