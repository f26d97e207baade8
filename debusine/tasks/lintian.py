"""The task that checks packages against Debian's policy and customs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from debusine.plugin import (
    CommandResult,
    DebusineError,
    Demand,
    Lookups,
    RelationType,
    Result,
    Task,
    TaskContext,
    TaskFailure,
    in_thread,
    structure,
)
from debusine.tasks import executors
from debusine.tasks.lintian_data import LintianData, LintianDynamicData, labels
from debusine.tasks.lintian_report import Analysis, LintianReport
from debusine.tasks.packages import BINARIES, SOURCE, UPLOAD, source_name
from debusine.tasks.unshare_root import UnshareRoot

PACKAGE_SUFFIXES = (".dsc", ".deb", ".udeb")

#: Everything is shown, and the exit status says nothing of it: overridden errors would count as errors in it.
OPTIONS = (
    "--no-cfg",
    "--exp-output=format=json",
    "--display-level=>=classification",
    "--display-experimental",
    "--show-overrides",
    "--tag-display-limit=0",
    "--fail-on=none",
)

INSTALL = ("apt-get", "--quiet", "--yes", "--no-install-recommends", "install", "lintian")


class NothingToCheck(TaskFailure):
    """The inputs hold no package."""

    def __init__(self, artifacts: Sequence[int]) -> None:
        super().__init__("There is no .dsc, .deb or .udeb in the inputs", detail=f"artifacts {artifacts}")


class NoLintian(DebusineError):
    """Lintian cannot be installed in the environment."""

    def __init__(self) -> None:
        super().__init__("Lintian cannot be installed in the environment", detail="see install.log")


class Lintian(Task[LintianData]):
    """Runs lintian: the machine's own in a sandbox, or that of an environment."""

    name = "lintian"
    Data = LintianData

    def __init__(self, data: LintianData, dynamic: Mapping[str, Any]) -> None:
        super().__init__(data, dynamic)
        self.found = structure(dict(dynamic), LintianDynamicData)

    @classmethod
    def demand(cls, data: LintianData) -> Demand:
        """The machine's lintian, or an executor for the environment that has one."""
        required = "lintian:available" if data.environment is None else data.executor_key
        return Demand(
            task_name=cls.name, version=cls.version, architecture=data.host_architecture, requires=(required,)
        )

    @classmethod
    def resolve(cls, data: LintianData, lookups: Lookups) -> dict[str, Any]:
        """Find the packages, and the environment if one is asked for."""
        data.check_configuration()
        lookup = data.input.source_artifact
        source = lookup and lookups.single(lookup, categories=(SOURCE, UPLOAD), field="input.source_artifact")
        binaries = lookups.multiple(data.input.binary_artifacts, categories=BINARIES, field="input.binary_artifacts")
        image = None if data.environment is None else data.resolve_environment(lookups)
        return {
            "input_source_artifact_id": source and source.id,
            "input_binary_artifacts_ids": [artifact.id for artifact in binaries],
            "environment_id": image and image.id,
            "subject": source_name([source] if source else binaries),
            **labels(data, image.data.get("codename") if image else None),
        }

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        """Whether the machine has a lintian of its own."""
        return {**super().metadata(), "lintian:available": not cls.problems(), **executors.metadata()}

    @classmethod
    def problems(cls) -> Sequence[str]:
        """What is missing for checks without an environment."""
        return [*executors.missing_programs({"lintian": "lintian"}), *executors.sandbox_problems()]

    async def run(self, context: TaskContext) -> Result:
        """Check, and keep an analysis for each architecture that is asked for."""
        packages = await self._fetch(context)
        output = context.directory / "lintian.json"
        done = await self._check(context, list(packages.values()), output)
        report = await in_thread(LintianReport.read, output, done.returncode, expected=list(packages))
        analyses = list(self._analyses(report))
        for analysis in analyses:
            await self._keep(context, analysis)
        found = {hint.severity for analysis in analyses for hint in analysis.hints}
        return Result.FAILURE if found.intersection(self.data.failing_severities) else Result.SUCCESS

    async def _fetch(self, context: TaskContext) -> dict[str, str]:
        """File name → path below the run's directory; a package that comes twice is checked once."""
        packages: dict[str, str] = {}
        for artifact in self.found.inputs:
            facts = await context.fetch(artifact, context.directory / "input" / str(artifact))
            names = [name for name in facts.files if name.endswith(PACKAGE_SUFFIXES)]
            packages.update({Path(name).name: f"input/{artifact}/{name}" for name in names})
        if not packages:
            raise NothingToCheck(self.found.inputs)
        return packages

    async def _check(self, context: TaskContext, packages: Sequence[str], output: Path) -> CommandResult:
        profile = self.data.target_distribution.partition(":")[0]
        argv = ["lintian", *OPTIONS, f"--profile={profile}", "--", *packages]
        if self.found.environment_id is None:
            return await context.run(argv, log="lintian.log", stdout=output, sandbox=True)
        root = await self._environment(context, self.found.environment_id)
        inputs = context.directory / "input"
        return await root.run_as_nobody(argv, log="lintian.log", stdout=output, readable=inputs)

    async def _environment(self, context: TaskContext, artifact: int) -> UnshareRoot:
        facts = await context.describe(artifact)
        image = await context.fetch_cached(artifact, facts.data["filename"], decompress=True)
        root = await UnshareRoot.unpack(context, image)
        for argv in (("apt-get", "--quiet", "update"), INSTALL):
            if (await root.run_as_root(argv, log="install.log")).returncode:
                raise NoLintian
        return root

    def _analyses(self, report: LintianReport) -> Iterator[Analysis]:
        for architecture in report.architectures:
            if self.data.output.wants(architecture):
                files = tuple(file for file in report.files if file.architecture == architecture)
                hints = (hint for file in files for hint in file.hints if self.data.includes(hint.tag))
                yield Analysis(
                    architecture=architecture,
                    distribution=self.data.target_distribution,
                    lintian_version=report.lintian_version,
                    files=files,
                    hints=tuple(hints),
                )

    async def _keep(self, context: TaskContext, analysis: Analysis) -> None:
        data = {"architecture": analysis.architecture, "summary": analysis.summary}
        files = await in_thread(analysis.write, context.directory / f"analysis-{analysis.architecture}")
        artifact = await context.upload("debian:lintian", data=data, files=files)
        for target in self.found.inputs:
            await context.relate(artifact, target, RelationType.RELATES_TO)
