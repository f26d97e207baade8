"""Store policies: what a store is used for, whatever its backend."""

from typing import Any

from attrs import Attribute, field, frozen

GiB = 1 << 30


def _positive(_instance: object, attribute: "Attribute[Any]", value: int | None) -> None:
    if value is not None and value <= 0:
        message = f"{attribute.name} must be more than 0"
        raise ValueError(message)


def _not_negative(_instance: object, attribute: "Attribute[Any]", value: int) -> None:
    if value < 0:
        message = f"{attribute.name} must not be less than 0; 0 is none"
        raise ValueError(message)


@frozen(kw_only=True)
class StorePolicies:
    """What a store is used for; sizes in bytes."""

    #: Of the stores of a workspace, new files go to the one with the highest number, of equal ones to its own.
    upload_priority: int = 0
    #: A file is read from the store with the highest number of those that have it.
    download_priority: int = 0
    #: Nothing is put there any more, by nobody.
    read_only: bool = False
    #: Nobody downloads from there; for copies that are kept for bad days.
    write_only: bool = False
    #: Above this size other stores are preferred, and what is there longest moves to them.
    soft_max_size: int | None = field(default=None, validator=_positive)
    #: Nothing is put there that would make it larger than this.
    max_size: int | None = field(default=None, validator=_positive)
    #: The store gets a copy of everything.
    populate: bool = False
    #: Everything moves away, and nothing new comes.
    drain: bool = False
    #: The only store that what moves away may go to; none: any that takes it.
    drain_to: str | None = None
    #: How much is read again in a day, the longest unread first, to find what the disk has lost; 0: none.
    scrub_per_day: int = field(default=64 * GiB, validator=_not_negative)

    @property
    def takes_files(self) -> bool:
        """Whether new files may be put there."""
        return not (self.read_only or self.write_only or self.drain)

    @property
    def takes_copies(self) -> bool:
        """Whether copies of files that other stores have may be put there."""
        return not (self.read_only or self.drain)

    @property
    def limited(self) -> bool:
        """Whether it matters how much is there."""
        return self.max_size is not None or self.soft_max_size is not None

    def contradiction(self) -> str | None:
        """What cannot be meant; None: nothing."""
        if self.read_only and self.write_only:
            return "read_only and write_only together leave nothing that the store could be used for"
        if self.populate and not self.takes_copies:
            return f"populate puts files there, and {'read_only' if self.read_only else 'drain'} forbids it"
        if self.drain_to is not None and not (self.drain or self.soft_max_size is not None):
            return "drain_to has a meaning only with drain or soft_max_size"
        if self.max_size is not None and self.soft_max_size is not None and self.soft_max_size > self.max_size:
            return "soft_max_size must not be more than max_size"
        return None


@frozen(kw_only=True)
class StoreContents:
    """How much a store keeps."""

    files: int = 0
    #: Bytes of these files.
    size: int = 0
