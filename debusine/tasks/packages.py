"""Artifacts with packages in them, as tasks look at them before they fetch anything."""

from collections.abc import Sequence

from debusine.plugin import ArtifactFacts

SOURCE = "debian:source-package"
BINARY = "debian:binary-package"
UPLOAD = "debian:upload"

#: Whatever holds packages that can be installed.
BINARIES = (BINARY, "debian:binary-packages", UPLOAD)


def source_name(artifacts: Sequence[ArtifactFacts]) -> str | None:
    """The name of the source package that the first artifact is, or comes from."""
    if not artifacts:
        return None
    data = artifacts[0].data
    name = data.get("name") or data.get("srcpkg_name") or data.get("source")
    name = name or data.get("changes_fields", {}).get("Source")
    # A .changes tells the source's version as well when it is another one.
    return str(name).partition(" ")[0] if name else None
