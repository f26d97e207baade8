"""What a build leaves behind, made into artifacts that know each other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from debusine.debian import DebianArtifact, binary_package, binary_packages, read_changes, upload
from debusine.plugin import ArtifactFacts, DebusineError, RelationType, TaskContext, in_thread

BINARY_SUFFIXES = (".deb", ".udeb")


class NoChanges(DebusineError):
    """A build said that it succeeded, and left no upload or several."""

    def __init__(self, found: Sequence[Path]) -> None:
        names = ", ".join(path.name for path in found) or "nothing"
        super().__init__("The build left not exactly one .changes file", detail=f"found: {names}")


@define(kw_only=True)
class BuildProducts:
    """The files that a build left in a directory, on their way into artifacts."""

    context: TaskContext
    directory: Path
    source: ArtifactFacts
    #: The artifacts that the build was made of.
    inputs: Sequence[int]
    host_architecture: str
    #: The artifacts with packages in them that were made so far.
    _binaries: list[int] = field(factory=list, init=False)

    async def upload_log(self, log: Path, name: str) -> int:
        """Keep the log, whatever the build came to."""
        data: dict[str, Any] = {
            "source": self.source.data["name"],
            "version": self.source.data["version"],
            "filename": name,
            "architecture": self.host_architecture,
        }
        artifact = await self.context.upload("debian:package-build-log", data=data, files={name: log})
        await self._relate([artifact], self.inputs, RelationType.RELATES_TO)
        return artifact

    async def upload_packages(self, log: int) -> None:
        """Keep the packages, each for itself and all of an architecture together, and the upload that lists them."""
        changes = self._changes()
        for deb in self._debs():
            await self._keep(binary_package, deb)
        for architecture in (self.host_architecture, "all"):
            await self._upload_set(architecture, changes)
        await self._relate(self._binaries, self.inputs, RelationType.BUILT_USING)
        await self._relate([log], self._binaries, RelationType.RELATES_TO)
        await self._upload_changes(changes)

    async def _upload_set(self, architecture: str, changes: Path) -> None:
        debs = self._debs(architecture)
        if debs:
            await self._keep(
                binary_packages,
                debs,
                srcpkg_name=self.source.data["name"],
                srcpkg_version=self.source.data["version"],
                version=(await in_thread(read_changes, changes))["Version"],
                architecture=architecture,
            )

    async def _upload_changes(self, changes: Path) -> None:
        made = await self._upload(await in_thread(upload, changes))
        await self._relate([made], self._binaries, RelationType.EXTENDS)
        await self._relate([made], self._binaries, RelationType.RELATES_TO)
        to_sign = await self.context.upload("debusine:signing-input", data={}, files={changes.name: changes})
        await self._relate([to_sign], [made], RelationType.RELATES_TO)

    async def _keep(self, describe: Callable[..., DebianArtifact], *arguments: Any, **facts: Any) -> None:
        self._binaries.append(await self._upload(await in_thread(describe, *arguments, **facts)))

    async def _upload(self, artifact: DebianArtifact) -> int:
        return await self.context.upload(artifact.category, data=artifact.data, files=artifact.files)

    async def _relate(self, artifacts: Sequence[int], targets: Sequence[int], kind: RelationType) -> None:
        for artifact in artifacts:
            for target in targets:
                await self.context.relate(artifact, target, kind)

    def _changes(self) -> Path:
        found = sorted(self.directory.glob("*.changes"))
        if len(found) != 1:
            raise NoChanges(found)
        return found[0]

    def _debs(self, architecture: str | None = None) -> list[Path]:
        packages = sorted(path for path in self.directory.iterdir() if path.suffix in BINARY_SUFFIXES)
        return [path for path in packages if architecture is None or path.stem.endswith(f"_{architecture}")]
