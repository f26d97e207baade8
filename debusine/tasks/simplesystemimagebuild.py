"""The task that makes an environment to boot: a Debian system in the image of a disk."""

from typing import Any, Literal

from attrs import field, frozen, validators

from debusine.plugin import Demand, Lookups, RunElsewhere
from debusine.tasks.bootstrap_data import BootstrapData, BootstrapOptions
from debusine.tasks.task_data import a_package_name, between, matches


@frozen(kw_only=True)
class ImageOptions(BootstrapOptions):
    """What the system is to be."""

    variant: Literal["buildd", "minbase"] | None = None


@frozen(kw_only=True)
class Partition:
    """A part of the disk."""

    #: Gigabytes.
    size: int = field(validator=between(1))
    filesystem: str
    mountpoint: str = "none"


@frozen(kw_only=True)
class DiskImage:
    """The disk."""

    format: Literal["raw", "qcow2"]
    #: Without the ending.
    filename: str = field(default="image", validator=matches(r"\w[\w.+~-]*", "the name of a file"))
    kernel_package: str | None = field(default=None, validator=validators.optional(a_package_name))
    bootloader: str | None = field(default=None, validator=validators.optional(a_package_name))
    partitions: tuple[Partition, ...] = field(validator=validators.min_len(1))


@frozen(kw_only=True)
class SystemImageData(BootstrapData):
    """A new environment to boot."""

    bootstrap_options: ImageOptions
    disk_image: DiskImage


class SimpleSystemImageBuild(RunElsewhere[SystemImageData]):
    """Makes the image of a disk with a Debian system on it."""

    name = "simplesystemimagebuild"
    Data = SystemImageData

    @classmethod
    def demand(cls, data: SystemImageData) -> Demand:
        """The task's programs, and the architecture of the new system."""
        return Demand(
            task_name=cls.name,
            version=cls.version,
            architecture=data.bootstrap_options.architecture,
            requires=(f"{cls.name}:available",),
        )

    @classmethod
    def resolve(cls, data: SystemImageData, lookups: Lookups) -> dict[str, Any]:
        """Nothing to look up."""
        data.check_configuration()
        return data.labels
