"""What each task takes: classes that forbid every key that they do not know, and miss those that they need."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

TASK_DATA = frozenset({"task_configuration"})
EXECUTOR = frozenset({"backend", "environment", "host_architecture"})
REPOSITORIES = frozenset({"extra_repositories"})
DYNAMIC = frozenset(
    {"parameter_summary", "subject", "runtime_context", "configuration_context", "task_configuration_id"}
)
DYNAMIC_EXECUTOR = DYNAMIC | {"environment_id"}


class CannotConfigure(Exception):
    """A task was given what its classes do not take."""


@frozen
class TaskClass:
    """The keys of a task's data and dynamic data."""

    data: frozenset[str]
    dynamic: frozenset[str]
    required: frozenset[str] = frozenset()
    required_dynamic: frozenset[str] = frozenset()

    def check(self, data: Mapping[str, Any], dynamic: Mapping[str, Any] | None) -> None:
        """Refuse as the task's constructor would."""
        for found, known, required in (
            (data, self.data, self.required),
            (dynamic or {}, self.dynamic, self.required_dynamic if dynamic is not None else frozenset()),
        ):
            if unknown := found.keys() - known:
                raise CannotConfigure(f"extra fields not permitted: {sorted(unknown)}")
            if missing := required - found.keys():
                raise CannotConfigure(f"fields required: {sorted(missing)}")


def keys(words: str) -> frozenset[str]:
    """A set of keys."""
    return frozenset(words.split())


BUILDS = TASK_DATA | EXECUTOR | REPOSITORIES
RUNS = TASK_DATA | EXECUTOR
BOOTSTRAP = TASK_DATA | keys("bootstrap_options bootstrap_repositories customization_script")

CLASSES: Mapping[str, TaskClass] = {
    "noop": TaskClass(TASK_DATA | keys("result"), DYNAMIC),
    "sbuild": TaskClass(
        BUILDS | keys("input build_components binnmu build_profiles build_dep_resolver aspcud_criteria"),
        DYNAMIC_EXECUTOR | keys("input_source_artifact_id input_extra_binary_artifacts_ids binnmu_maintainer"),
        keys("input host_architecture environment"),
        keys("input_source_artifact_id environment_id"),
    ),
    "lintian": TaskClass(
        RUNS | keys("input output target_distribution include_tags exclude_tags fail_on_severity"),
        DYNAMIC_EXECUTOR | keys("input_source_artifact_id input_binary_artifacts_ids"),
        keys("input"),
    ),
    "autopkgtest": TaskClass(
        BUILDS
        | keys(
            "input include_tests exclude_tests debug_level use_packages_from_base_repository extra_environment"
            " needs_internet fail_on timeout"
        ),
        DYNAMIC_EXECUTOR
        | keys("input_source_artifact_id input_binary_artifacts_ids input_context_artifacts_ids"),
        keys("input host_architecture environment"),
        keys("environment_id input_source_artifact_id input_binary_artifacts_ids"),
    ),
    "piuparts": TaskClass(
        BUILDS | keys("input base_tgz"),
        DYNAMIC_EXECUTOR | keys("input_binary_artifacts_ids base_tgz_id"),
        keys("input base_tgz host_architecture environment"),
        keys("environment_id input_binary_artifacts_ids base_tgz_id"),
    ),
    "blhc": TaskClass(
        RUNS | keys("input extra_flags"),
        DYNAMIC_EXECUTOR | keys("input_artifact_id"),
        keys("input"),
        keys("input_artifact_id"),
    ),
    "debdiff": TaskClass(
        RUNS | keys("input extra_flags"),
        DYNAMIC_EXECUTOR | keys("input_source_artifacts_ids input_binary_artifacts_ids"),
        keys("input host_architecture environment"),
        keys("environment_id"),
    ),
    "mmdebstrap": TaskClass(BOOTSTRAP, DYNAMIC, keys("bootstrap_options bootstrap_repositories")),
    "simplesystemimagebuild": TaskClass(
        BOOTSTRAP | keys("disk_image"), DYNAMIC, keys("bootstrap_options bootstrap_repositories disk_image")
    ),
    "mergeuploads": TaskClass(
        TASK_DATA | keys("input backend environment"), DYNAMIC_EXECUTOR | keys("input_uploads_ids"), keys("input"),
        keys("input_uploads_ids"),
    ),
    "makesourcepackageupload": TaskClass(
        RUNS | keys("input since_version target_distribution"),
        DYNAMIC_EXECUTOR | keys("input_source_artifact_id"),
        keys("input environment"),
        keys("environment_id input_source_artifact_id"),
    ),
    "extractforsigning": TaskClass(
        RUNS | keys("input"),
        DYNAMIC_EXECUTOR | keys("input_template_artifact_id input_binary_artifacts_ids"),
        keys("input environment"),
        keys("environment_id input_template_artifact_id input_binary_artifacts_ids"),
    ),
    "assemblesignedsource": TaskClass(
        RUNS | keys("template signed"),
        DYNAMIC_EXECUTOR | keys("template_id signed_ids"),
        keys("template signed environment"),
        keys("environment_id template_id signed_ids"),
    ),
}  # fmt: skip
