"""The task that builds a source package in a clean environment."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from debusine.plugin import (
    ArtifactFacts,
    Demand,
    Lookups,
    Result,
    Task,
    TaskContext,
    TaskFailure,
    structure,
)
from debusine.tasks import executors
from debusine.tasks.build_products import BINARY_SUFFIXES, BuildProducts
from debusine.tasks.packages import BINARIES, SOURCE
from debusine.tasks.sbuild_command import SbuildCommand, build_log_name, configuration
from debusine.tasks.sbuild_data import SbuildData, SbuildDynamicData
from debusine.tasks.sbuild_log import BuildSummary


class UnfitSource(TaskFailure):
    """The artifact to build is not one source package."""

    def __init__(self, artifact: ArtifactFacts, reason: str) -> None:
        super().__init__(f"Artifact {artifact.id} cannot be built", detail=reason)


class Sbuild(Task[SbuildData]):
    """Builds a source package with sbuild, in a user namespace, in an environment that mmdebstrap made."""

    name = "sbuild"
    Data = SbuildData

    def __init__(self, data: SbuildData, dynamic: Mapping[str, Any]) -> None:
        super().__init__(data, dynamic)
        self.found = structure(dict(dynamic), SbuildDynamicData)

    @classmethod
    def demand(cls, data: SbuildData) -> Demand:
        """sbuild, the executor, and the architecture to build for."""
        requires = ["sbuild:available", data.executor_key]
        if data.executor != "unshare":
            requires.append("autopkgtest:available")
        return Demand(
            task_name=cls.name, version=cls.version, architecture=data.host_architecture, requires=tuple(requires)
        )

    @classmethod
    def resolve(cls, data: SbuildData, lookups: Lookups) -> dict[str, Any]:
        """Find the source, the packages to build with, and the environment."""
        data.check_configuration()
        source = lookups.single(data.input.source_artifact, categories=(SOURCE,), field="input.source_artifact")
        extra = lookups.multiple(
            data.input.extra_binary_artifacts, categories=BINARIES, field="input.extra_binary_artifacts"
        )
        image = data.resolve_environment(lookups)
        found: dict[str, Any] = {
            "input_source_artifact_id": source.id,
            "input_extra_binary_artifacts_ids": [artifact.id for artifact in extra],
            "environment_id": image.id,
            "subject": source.data.get("name"),
            "configuration_context": image.data.get("codename"),
            **data.labels,
        }
        if data.binnmu is not None and data.binnmu.maintainer is None:
            found["binnmu_maintainer"] = f"Debusine <noreply@{os.uname().nodename}>"
        return found

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        """Whether sbuild is here, and which executors."""
        return {**super().metadata(), "sbuild:available": not cls.problems(), **executors.metadata()}

    @classmethod
    def problems(cls) -> Sequence[str]:
        """What is missing for builds in a user namespace."""
        # ip and mount are what newer sbuilds call for themselves, and a small machine may lack.
        missing = executors.missing_programs({"sbuild": "sbuild", "xz": "xz-utils", "ip": "iproute2", "mount": "mount"})
        return [*missing, *executors.unshare_problems(), *executors.sandbox_problems()]

    async def run(self, context: TaskContext) -> Result:
        """Build, keep the log, and keep the packages if there are any."""
        source = await context.fetch(self.found.input_source_artifact_id, context.directory / "source")
        command = await self._command(context, self._dsc(context, source))
        output = context.directory / "build"
        output.mkdir()
        log_name = build_log_name(source.data["name"], source.data["version"], self.data.host_architecture)
        settings = context.directory / "sbuild.conf"
        settings.write_text(configuration(context.directory))
        done = await context.run(command.argv, log=log_name, cwd=output, env={"SBUILD_CONFIG": str(settings)})
        summary = BuildSummary.read(done.stdout)
        context.tell(f"sbuild ended with {done.returncode}, status {summary.status}, stage {summary.fail_stage}")
        products = BuildProducts(
            context=context,
            directory=output,
            source=source,
            inputs=self.found.inputs,
            host_architecture=self.data.host_architecture,
        )
        log = await products.upload_log(done.stdout, log_name)
        result = summary.result(done.returncode)
        if result is Result.SUCCESS:
            await products.upload_packages(log)
        return result

    async def _command(self, context: TaskContext, dsc: Path) -> SbuildCommand:
        environment = await context.describe(self.found.environment_id)
        image = await context.fetch_cached(environment.id, environment.data["filename"], decompress=True)
        return SbuildCommand(
            data=self.data,
            dynamic=self.found,
            image=image,
            codename=environment.data["codename"],
            build_architecture=environment.data["architecture"],
            dsc=f"../source/{dsc.name}",
            keys=self._write_keys(context.directory),
            extra_packages=await self._fetch_extra(context),
        )

    def _dsc(self, context: TaskContext, source: ArtifactFacts) -> Path:
        if source.category != SOURCE:
            raise UnfitSource(source, f"it is a {source.category}, not a {SOURCE}")
        found = list((context.directory / "source").glob("*.dsc"))
        if len(found) != 1:
            raise UnfitSource(source, f"it has {len(found)} files with the ending .dsc")
        return found[0]

    async def _fetch_extra(self, context: TaskContext) -> list[str]:
        packages: dict[str, str] = {}
        for artifact in self.found.input_extra_binary_artifacts_ids:
            place = context.directory / "extra" / str(artifact)
            facts = await context.fetch(artifact, place)
            names = [name for name in facts.files if name.endswith(BINARY_SUFFIXES)]
            packages.update({Path(name).name: f"../extra/{artifact}/{name}" for name in names})
        return list(packages.values())

    def _write_keys(self, directory: Path) -> list[Path]:
        keys = [repository.signing_key for repository in self.data.extra_repositories or ()]
        paths = []
        for number, key in enumerate(key for key in keys if key is not None):
            paths.append(directory / f"repository-{number}.asc")
            paths[-1].write_text(key)
        return paths
