"""What a submission may say of a new environment."""

from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from attrs import field, frozen, validators

from debusine.tasks.task_data import (
    TaskData,
    a_component,
    a_package,
    a_package_name,
    a_suite,
    an_absolute_url,
    an_architecture,
    check_components,
    each,
    matches,
    shown,
)

Variant = Literal[
    "buildd",
    "minbase",
    "-",
    "apt",
    "custom",
    "debootstrap",
    "essential",
    "extract",
    "important",
    "required",
    "standard",
]

#: The only directories of a worker from which a submission may name a file.
KEYRING_DIRECTORIES = (PurePosixPath("/usr/share/keyrings"), PurePosixPath("/usr/local/share/keyrings"))


def a_keyring_url(instance: object, attribute: Any, value: Any) -> None:
    """A validator: a URL of a keyring; one on the worker must be where the machine keeps its keyrings."""
    an_absolute_url("http", "https", "file")(instance, attribute, value)
    if urlsplit(value).scheme == "file":
        path = PurePosixPath(unquote(urlsplit(value).path))
        if ".." in path.parts or not any(path.is_relative_to(place) for place in KEYRING_DIRECTORIES):
            message = f"{shown(value)} is not below {' or '.join(map(str, KEYRING_DIRECTORIES))}."
            raise ValueError(message)


@frozen(kw_only=True)
class Keyring:
    """The keys that sign a repository."""

    url: str = field(validator=a_keyring_url)
    #: Empty: not checked.
    sha256sum: str = field(default="", validator=matches(r"|[0-9a-fA-F]{64}", "a SHA-256 in hexadecimal"))
    #: Whether the environment keeps the keyring.
    install: bool = False

    @property
    def machine_path(self) -> str | None:
        """Where it is on every machine, when the URL says so."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "file" else None


@frozen(kw_only=True)
class BootstrapOptions:
    """What the environment is to be."""

    architecture: str = field(validator=an_architecture)
    #: None: mmdebstrap's own default.
    variant: Variant | None = None
    extra_packages: tuple[str, ...] = field(default=(), validator=each(a_package))
    #: Whether the environment's sources name the keyring that signs them.
    use_signed_by: bool = True


@frozen(kw_only=True)
class BootstrapRepository:
    """A repository that the environment is made from, and will know."""

    mirror: str = field(validator=an_absolute_url("http", "https", "file"))
    suite: str = field(validator=a_suite)
    types: tuple[Literal["deb", "deb-src"], ...] = field(default=("deb",), validator=validators.min_len(1))
    #: None: ``main``, or nothing for a flat suite.
    components: tuple[str, ...] | None = field(default=None, validator=each(a_component))
    #: The machine's trusted keys, ``keyring``, or nothing at all.
    check_signature_with: Literal["system", "external", "no-check"] = "system"
    #: A package with the repository's keys for the environment.
    keyring_package: str | None = field(default=None, validator=validators.optional(a_package_name))
    keyring: Keyring | None = None

    def __attrs_post_init__(self) -> None:
        """Check what no single field can tell."""
        check_components(self.suite, self.components, required=False)
        if len(set(self.components or ())) != len(self.components or ()):
            message = "A component is named twice."
            raise ValueError(message)
        if self.check_signature_with == "external" and self.keyring is None:
            message = "check_signature_with 'external' needs a keyring."
            raise ValueError(message)

    @property
    def effective_components(self) -> tuple[str, ...]:
        """The components in effect."""
        if self.suite.endswith("/"):
            return ()
        return self.components or ("main",)


@frozen(kw_only=True)
class BootstrapData(TaskData):
    """A new environment."""

    bootstrap_options: BootstrapOptions
    bootstrap_repositories: tuple[BootstrapRepository, ...] = field(validator=validators.min_len(1))
    #: Run outside the new system as its root, with the system's directory as its argument; ``sh`` unless it says else.
    customization_script: str | None = None

    @property
    def labels(self) -> dict[str, Any]:
        """What makes the durations of two runs comparable."""
        options = self.bootstrap_options
        packages = ",".join(sorted(options.extra_packages))
        return {
            "subject": self.bootstrap_repositories[0].suite,
            "runtime_context": f"{options.architecture}:{options.variant or ''}:{packages}",
            "configuration_context": options.architecture,
        }
