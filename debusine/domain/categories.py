"""Categories: what kinds of artifacts there are, and the data that each carries.

``debusine.converter.categories`` makes these classes of plain values and refuses keys that are not here;
``debusine.domain.category_files`` says which files go with each.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import attrs
from attrs import field, frozen

#: The fields of .dsc and .changes files that come as lists of objects.
LISTINGS = frozenset({"Files", "Checksums-Sha1", "Checksums-Sha256", "Package-List"})

_ABSOLUTE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")


class ArtifactCategory(StrEnum):
    """The kinds of artifacts."""

    SOURCE_PACKAGE = "debian:source-package"
    BINARY_PACKAGE = "debian:binary-package"
    BINARY_PACKAGES = "debian:binary-packages"
    UPLOAD = "debian:upload"
    PACKAGE_BUILD_LOG = "debian:package-build-log"
    LINTIAN = "debian:lintian"
    AUTOPKGTEST = "debian:autopkgtest"
    BLHC = "debian:blhc"
    DEBDIFF = "debian:debdiff"
    SYSTEM_TARBALL = "debian:system-tarball"
    SYSTEM_IMAGE = "debian:system-image"
    WORK_REQUEST_DEBUG_LOGS = "debusine:work-request-debug-logs"
    TEST = "debusine:test"
    SIGNING_INPUT = "debusine:signing-input"
    SIGNING_OUTPUT = "debusine:signing-output"
    REPOSITORY_INDEX = "debian:repository-index"


def _absolute_url(_instance: object, attribute: "attrs.Attribute[Any]", value: str) -> None:
    if not _ABSOLUTE_URL.fullmatch(value):
        message = f"{attribute.name} must be an absolute URL, not {value[:200]!r}."
        raise ValueError(message)


@frozen(kw_only=True)
class NoData:
    """For categories whose files say it all."""


def _listings(_instance: object, attribute: "attrs.Attribute[Any]", value: Mapping[str, Any]) -> None:
    """Whether the fields that list files or packages are parsed: lists of objects."""
    for name, listed in value.items():
        if name in LISTINGS and not (isinstance(listed, list) and all(isinstance(item, dict) for item in listed)):
            message = f"{name} in {attribute.name} must be a list of objects."
            raise ValueError(message)


def _named_files(_instance: object, attribute: "attrs.Attribute[Any]", value: Mapping[str, Any]) -> None:
    if any(not isinstance(item.get("name"), str) for item in value.get("Files", ())):
        message = f"Each of the Files in {attribute.name} must have a name."
        raise ValueError(message)


@frozen(kw_only=True)
class SourcePackage:
    """A Debian source package."""

    name: str
    version: str
    type: Literal["dpkg"]
    #: The parsed .dsc.
    dsc_fields: dict[str, Any] = field(validator=[_listings, _named_files])


@frozen(kw_only=True)
class BinaryPackage:
    """One .deb or .udeb."""

    srcpkg_name: str
    srcpkg_version: str
    #: The control file.
    deb_fields: dict[str, Any]
    #: The names of the files in control.tar.
    deb_control_files: list[str]


@frozen(kw_only=True)
class BinaryPackages:
    """All packages of one architecture that a source made."""

    srcpkg_name: str
    srcpkg_version: str
    version: str
    architecture: str
    packages: list[str]


def _complete_changes(_instance: object, _attribute: object, value: Mapping[str, Any]) -> None:
    architecture = value.get("Architecture")
    if not isinstance(architecture, str) or not architecture.split():
        message = "changes_fields must have an Architecture."
        raise ValueError(message)
    if "Files" not in value:
        message = "changes_fields must have a list of Files."
        raise ValueError(message)


@frozen(kw_only=True)
class Upload:
    """A .changes file and all that it lists."""

    type: Literal["dpkg"]
    changes_fields: dict[str, Any] = field(validator=[_complete_changes, _listings, _named_files])

    @property
    def architectures(self) -> list[str]:
        """What it brings: ``source``, ``all``, names of architectures."""
        return str(self.changes_fields["Architecture"]).split()


@frozen(kw_only=True)
class PackageBuildLog:
    """The log of a build."""

    source: str
    version: str
    filename: str
    architecture: str | None = None
    #: dose3's report on what could not be installed, as it is.
    bd_uninstallable: dict[str, Any] | None = None


LintianSeverity = Literal["error", "warning", "info", "pedantic", "experimental", "overridden", "classification"]


@frozen(kw_only=True)
class LintianSummary:
    """What lintian found, counted."""

    tags_count_by_severity: dict[LintianSeverity, int]
    #: Package → its file.
    package_filename: dict[str, str]
    tags_found: list[str]
    overridden_tags_found: list[str]
    lintian_version: str
    #: For instance ``debian:unstable``.
    distribution: str


@frozen(kw_only=True)
class Lintian:
    """What lintian found."""

    architecture: str | None = None
    summary: LintianSummary


@frozen(kw_only=True)
class AutopkgtestResult:
    """How one test ended."""

    status: Literal["PASS", "FAIL", "FLAKY", "SKIP"]
    details: str | None = None


@frozen(kw_only=True)
class AutopkgtestSource:
    """The source whose tests ran."""

    name: str
    version: str
    url: str = field(validator=_absolute_url)


@frozen(kw_only=True)
class Autopkgtest:
    """How a package's own tests ended."""

    results: dict[str, AutopkgtestResult]
    cmdline: str
    source_package: AutopkgtestSource
    architecture: str
    #: For instance ``debian:bookworm``.
    distribution: str


@frozen(kw_only=True)
class Debdiff:
    """The differences between two versions of a package."""

    original: str
    new: str


@frozen(kw_only=True)
class SystemTarball:
    """A Debian system as a tarball, to unpack and work in."""

    filename: str
    vendor: str
    codename: str
    mirror: str = field(validator=_absolute_url)
    components: list[str]
    variant: str | None = None
    #: Package → version.
    pkglist: dict[str, str]
    architecture: str
    with_dev: bool
    with_init: bool


@frozen(kw_only=True)
class SystemImage(SystemTarball):
    """A Debian system as a disk image, to boot."""

    image_format: Literal["raw", "qcow2"]
    filesystem: str
    #: Bytes.
    size: int
    boot_mechanism: Literal["efi", "bios"]


@frozen(kw_only=True)
class SigningInput:
    """Files that are to be signed."""

    trusted_certs: list[str] | None = None
    binary_package_name: str | None = None


@frozen(kw_only=True)
class SigningResult:
    """What became of one file that was to be signed."""

    file: str
    output_file: str | None = None
    error_message: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.error_message is None) == (self.output_file is None):
            message = "Either output_file or error_message must be there, and not both."
            raise ValueError(message)


@frozen(kw_only=True)
class SigningOutput:
    """Signatures."""

    purpose: Literal["uefi", "openpgp"]
    fingerprint: str
    results: list[SigningResult]
    binary_package_name: str | None = None


@frozen(kw_only=True)
class RepositoryIndex:
    """An index of a package repository."""

    path: str | None = None


#: The class of each category's data.
DATA: Mapping[ArtifactCategory, type[Any]] = {
    ArtifactCategory.SOURCE_PACKAGE: SourcePackage,
    ArtifactCategory.BINARY_PACKAGE: BinaryPackage,
    ArtifactCategory.BINARY_PACKAGES: BinaryPackages,
    ArtifactCategory.UPLOAD: Upload,
    ArtifactCategory.PACKAGE_BUILD_LOG: PackageBuildLog,
    ArtifactCategory.LINTIAN: Lintian,
    ArtifactCategory.AUTOPKGTEST: Autopkgtest,
    ArtifactCategory.BLHC: NoData,
    ArtifactCategory.DEBDIFF: Debdiff,
    ArtifactCategory.SYSTEM_TARBALL: SystemTarball,
    ArtifactCategory.SYSTEM_IMAGE: SystemImage,
    ArtifactCategory.WORK_REQUEST_DEBUG_LOGS: NoData,
    ArtifactCategory.TEST: NoData,
    ArtifactCategory.SIGNING_INPUT: SigningInput,
    ArtifactCategory.SIGNING_OUTPUT: SigningOutput,
    ArtifactCategory.REPOSITORY_INDEX: RepositoryIndex,
}
